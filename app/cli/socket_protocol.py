"""WebSocket as uvicorn speaks it, mended where a client that means no good would find a hole.

a handshake that cannot be read         is answered (uvicorn would hold the connection open for ever)
a refusal, a client that left early     leave no error in the log
pings from somebody who does not read   do not pile up answers
a message in endless empty pieces       is too big
a reader that is stuck                  still gets its close code if it wakes up, and is dropped if it does not
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from app.gateway.endpoint import WRITE
from app.protocol.codes import Close

MOST_PIECES = 1_000
"""Frames of one message."""
_HEAD_16, _HEAD_64 = struct.Struct("!BBH"), struct.Struct("!BBQ")
MOST_UNREAD = 4
"""Messages that wait for us before no more are read off the socket."""
FAREWELL_S = 10.0
"""How long a client may take to hear the end."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left: Callable[[], None] = lambda: None
        self._end: asyncio.TimerHandle | None = None

    def begin(self, left: Callable[[], None], early: bytes) -> None:
        """The handshake was handed over.

        Args:
            left: called when the connection is gone.
            early: what came right behind the handshake.
        """
        self._left = left
        if self.transport.is_closing():
            return
        if not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self._close()
        elif early:
            self.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The process ends."""
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": Close.DRAINING})
            self.conn.send_close(Close.DRAINING)
            self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
        elif not self.handshake_complete:
            self._refuse_unanswered(HTTPStatus.SERVICE_UNAVAILABLE)
        self._close()

    def write_text(self, text: bytes) -> bool:
        """Send a text frame now. False if it cannot be taken now, or never: `send` waits, or says so."""
        if not self.writable.is_set() or self.close_sent or self.disconnected or self.transport.is_closing():
            return False
        length = len(text)
        if length < 126:
            head = b"\x81%c" % length
        elif length < 65_536:
            head = _HEAD_16.pack(0x81, 126, length)
        else:
            head = _HEAD_64.pack(0x81, 127, length)
        self.transport.write(head + text)
        return True

    async def run_asgi(self) -> None:
        self.scope["extensions"][WRITE] = self.write_text  # pyright: ignore
        await super().run_asgi()
        if self.transport.is_closing():
            self._close()

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if kind == "websocket.close" and self.handshake_complete and not self.disconnected:
            # Not behind what a stuck reader has not taken: a close frame is small.
            self.writable.set()
            await super().send(message)
            self._drop_after(FAREWELL_S)
            return
        await super().send(message)
        if kind == "websocket.accept" and not self.handshake_complete:
            raise ClientDisconnected
        if kind == "websocket.http.response.body" and not message.get("more_body", False):
            # It is answered; uvicorn would take it for forgotten.
            self.handshake_complete = True

    def handle_ping(self) -> None:
        if not self.writable.is_set():
            self.transport.abort()
            return
        super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MOST_PIECES:
            self.conn.fail(Close.TOO_BIG)
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        pieces, self.frames = self.frames, []
        if self.close_sent:
            return
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self.curr_msg_data_type == "text":
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self.conn.fail(Close.NOT_UTF8)
                self.handle_parser_exception()
                return
        else:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        # Not for each: to stop and to start again cost three system calls.
        if not self.read_paused and self.queue.qsize() >= MOST_UNREAD:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            # Frames came before the handshake was answered, and were wrong.
            self.transport.abort()
        elif not self.close_sent:
            super().handle_parser_exception()
            self._close()

    def send_500_response(self) -> None:
        self._refuse_unanswered(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _refuse_unanswered(self, status: HTTPStatus) -> None:
        """Answer a handshake that nobody has answered."""
        if self.initial_response is None and not self.handshake_complete and not self.conn.eof_sent:
            self.conn.send_response(self.conn.reject(status, ""))
            self.transport.write(b"".join(self.conn.data_to_send()))
        # Whoever answers it now is too late.
        self.disconnected = True

    def _close(self) -> None:
        self.transport.close()
        self._drop_after(FAREWELL_S)

    def _drop_after(self, seconds: float) -> None:
        """A connection is closed when all is sent; nobody waits for ever for a client to take it."""
        if self._end is None:
            self._end = self.loop.call_later(seconds, self.transport.abort)


_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
