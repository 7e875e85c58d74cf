"""A WebSocket client that costs as little as can be, for a load generator on the machine that it loads.

It knows what docs/protocol.md and this server need: text frames, no compression, no fragments. Its mask is zero, which
every server must take; it hides nothing, but there is nobody between.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import Callable
from typing import cast

_TEXT, _CLOSE = 0x1, 0x8


class WireSocket(asyncio.Protocol):
    """One socket.

    Args:
        origin: http://host:port of the server process.
        heard: called with each text frame.
        lost: called with the close code (1006: none) when the other side ends it.
    """

    def __init__(self, origin: str, heard: Callable[[bytes], None], lost: Callable[[int], None]) -> None:
        self._origin = origin
        self._heard = heard
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._code = 1006
        self._upgraded = asyncio.get_running_loop().create_future()

    async def upgraded(self) -> None:
        """Wait for the answer to the upgrade.

        Raises:
            ConnectionError: it was refused.
        """
        await self._upgraded

    def send(self, text: bytes) -> None:
        """Write one text frame."""
        assert self._transport is not None, "it is connected"
        self._transport.write(_frame(_TEXT, text))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._lost = _nobody
            self._transport.write(_frame(_CLOSE, struct.pack("!H", 1000)))
            self._transport.close()

    def reset(self) -> None:
        """Break off without a word, as a client that loses its power or its network does."""
        if self._transport is not None:
            self._lost = _nobody
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        host = self._origin.removeprefix("http://")
        self._transport.write(
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: {self._origin}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: deskbell.v1\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if not self._upgraded.done():
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            status = head.split(b" ", 2)[1]
            if status != b"101":
                self._upgraded.set_exception(ConnectionError(f"the upgrade was refused with {status.decode()}"))
                return
            self._upgraded.set_result(None)
        self._buffer = self._frames(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._upgraded.done():
            self._upgraded.set_exception(ConnectionError("the connection was closed"))
        self._transport = None
        self._lost(self._code)

    def _frames(self, data: bytes) -> bytes:
        """Handle all whole frames; return what is left."""
        start, end = 0, len(data)
        while end - start >= 2:
            body = start + 2
            length = data[start + 1]
            if length == 126:
                if end - start < 4:
                    break
                length = data[start + 2] << 8 | data[start + 3]
                body = start + 4
            elif length == 127:
                if end - start < 10:
                    break
                length = int.from_bytes(data[start + 2 : start + 10], "big")
                body = start + 10
            if body + length > end:
                break
            kind = data[start] & 0x0F
            start = body + length
            if kind == _TEXT:
                self._heard(data[body:start])
            elif kind == _CLOSE and length >= 2:
                self._code = data[body] << 8 | data[body + 1]
        return data[start:]


def _frame(kind: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return b"%c%c\0\0\0\0%b" % (0x80 | kind, 0x80 | length, payload)
    return struct.pack("!BBHI", 0x80 | kind, 0x80 | 126, length, 0) + payload


def _nobody(_: int) -> None:
    """Nobody asks any more."""
