"""The raw ASGI application behind `/ws`: upgrade, hello, frames, farewell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from app.gateway.connection import Connection, Send, Write, cannot_write
from app.gateway.desk import Desk
from app.gateway.switchboard import Switchboard
from app.gateway.throttle import Bucket
from app.ids import uuid7
from app.infra.headcount import is_forwarded
from app.protocol.codes import HELLO_WITHIN_S, MAX_FRAME_BYTES, OVER, SUBPROTOCOL, Close

log = structlog.get_logger()

WRITE = "deskbell.write"
"""An extension of ASGI: a server that has it sends a text frame without a task, if the client keeps up."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Endpoint:
    """Serves one socket a call.

    Args:
        desk: this process's parts.
        switchboard: carries the lines out.
    """

    def __init__(self, desk: Desk, switchboard: Switchboard) -> None:
        self._desk = desk
        self._switchboard = switchboard
        self._silent: dict[Connection, None] = {}
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        await receive()
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if self.draining:
            await _refuse(send, 503, b"unavailable")
        elif scope["path"] != "/ws":
            await _refuse(send, 404, b"not_found")
        elif origin not in self._desk.own_origins:
            await _refuse(send, 403, b"forbidden")
        elif SUBPROTOCOL in (offered := scope.get("subprotocols", ())):
            await self._enter(scope, receive, send)
        elif over := OVER.intersection(offered):
            # A browser tells its page nothing of a refused upgrade, but the code of a closed socket.
            await send({"type": "websocket.accept", "subprotocol": max(over)})
            await send({"type": "websocket.close", "code": Close.UPGRADE, "reason": ""})
        else:
            await _refuse(send, 400, b"invalid")

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it unless its address has too many."""
        addresses = self._desk.addresses
        address = scope["client"][0] if scope.get("client") else ""
        name = addresses.name(address, forwarded=is_forwarded(scope["headers"]))
        if not addresses.enter(name):
            await _refuse(send, 429, b"rate_limited")
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
            await self._serve(receive, send, scope["extensions"].get(WRITE, cannot_write))
        finally:
            addresses.leave(name)

    async def _serve(self, receive: Receive, send: Send, write: Write) -> None:
        pace = self._desk.allowances.pace
        frames = Bucket(pace.frames_per_s, pace.frames_burst)
        connection = Connection(send, frames, Bucket(pace.agent_messages_per_s, pace.burst), write)
        self._desk.hub.connections.add(connection)
        self._make_room_for(connection)
        listener = asyncio.create_task(self._listen(connection, receive))
        closing = asyncio.create_task(connection.wait_closing())
        try:
            await asyncio.wait([listener, closing], return_when=asyncio.FIRST_COMPLETED)
            if listener.done() and connection.open:
                connection.gone()
                listener.result()
            elif connection.close_code != 1006:
                await connection.finish()
        except (OSError, RuntimeError, TimeoutError):
            log.debug("socket.broke")
        finally:
            for task in (listener, closing):
                task.cancel()
            connection.gone()
            self._silent.pop(connection, None)
            self._desk.hub.drop(connection)
            if connection.who is not None:
                self._desk.roster.leave(connection.who.id, connection.heard_at)

    def _make_room_for(self, connection: Connection) -> None:
        """Send the oldest of those away who have said nothing, when they are too many: people say hello at once."""
        self._silent[connection] = None
        if len(self._silent) > self._desk.most_sockets // 2:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.close(Close.TOO_MANY)

    async def _listen(self, connection: Connection, receive: Receive) -> None:
        """Read frames until the socket goes away or is to be closed."""
        patience = asyncio.get_running_loop().time() + HELLO_WITHIN_S
        try:
            while connection.open:
                if connection.who is None:
                    # Only the client's time counts: a hello that we answer slowly was said.
                    async with asyncio.timeout_at(patience):
                        message = await receive()
                else:
                    message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                connection.heard_at = time.monotonic()
                await self._frame(connection, message)
        except TimeoutError:
            connection.close(Close.BAD_PROTOCOL)

    async def _frame(self, connection: Connection, message: MutableMapping[str, Any]) -> None:
        text = message.get("text")
        if text is None:
            connection.close(Close.UNSUPPORTED)
            return
        if len(text) > MAX_FRAME_BYTES:
            connection.close(Close.TOO_BIG)
            return
        if connection.who is None:
            self._silent.pop(connection, None)
        # A frame without a line in it counts as one that cannot be read.
        for line in [line for line in text.split("\n") if line] or [""]:
            if connection.open:
                await self._switchboard.take(connection, line)


async def _refuse(send: Send, status: int, code: bytes) -> None:
    """Answer an upgrade with an HTTP error instead."""
    await send(
        {
            "type": "websocket.http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    body = b'{"error":{"code":"%b","message":"This connection was refused.","request_id":"%b"}}'
    body %= (code, str(uuid7()).encode())
    await send({"type": "websocket.http.response.body", "body": body})
