"""The raw ASGI application behind `/ws`: upgrade, hello, frames, farewell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import structlog

from app.gateway.connection import Connection, Send
from app.gateway.desk import Desk
from app.gateway.switchboard import Switchboard
from app.gateway.throttle import Bucket
from app.ids import uuid7
from app.infra.headcount import is_forwarded
from app.protocol.codes import HELLO_WITHIN_S, MAX_FRAME_BYTES, OVER, SUBPROTOCOL, Close

log = structlog.get_logger()

TAKE_OVER = "deskbell.take_over"
"""An extension of ASGI: an accepted socket given to a `Listener`, called with it; returns a `Socket`."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Listener(Protocol):
    """Who hears an open socket."""

    def heard_at_once(self, text: str) -> bool:
        """Take a message if nothing needs to be waited for; else return False, and it comes to `heard`."""
        ...

    async def heard(self, text: str | None) -> None:
        """Take a message; the next one comes when this has returned. None: it was binary."""
        ...

    def gone(self) -> None:
        """The socket has ended, and all that came was heard."""
        ...


class Socket(Protocol):
    """An open socket."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send what ASGI calls `websocket.send` or `websocket.close`; waits for a slow reader."""
        ...

    def write_text(self, text: bytes) -> bool:
        """Send a text frame at once, if the reader keeps up."""
        ...

    def stop(self) -> None:
        """Hear nothing more, and break off what is being heard."""
        ...


class Endpoint:
    """Lets sockets in.

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
            await self._enter(scope, send)
        elif over := OVER.intersection(offered):
            # A browser tells its page nothing of a refused upgrade, but the code of a closed socket.
            await send({"type": "websocket.accept", "subprotocol": max(over)})
            await scope["extensions"][TAKE_OVER](_Nobody()).send({"type": "websocket.close", "code": Close.UPGRADE})
        else:
            await _refuse(send, 400, b"invalid")

    async def _enter(self, scope: Scope, send: Send) -> None:
        """Let it in unless its address has too many."""
        addresses = self._desk.addresses
        address = scope["client"][0] if scope.get("client") else ""
        name = addresses.name(address, forwarded=is_forwarded(scope["headers"]))
        if not addresses.enter(name):
            await _refuse(send, 429, b"rate_limited")
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        except BaseException:
            addresses.leave(name)
            raise
        Caller(self._desk, self._switchboard, self._silent, name, scope["extensions"][TAKE_OVER])


class Caller:
    """What the gateway keeps of one socket, beside its `Connection`: nothing runs while nothing is said.

    Args:
        desk: this process's parts.
        switchboard: carries the lines out.
        silent: those who have not said anything yet, the oldest first.
        address: under which it is counted.
        take_over: see `TAKE_OVER`.
    """

    __slots__ = (
        "_address",
        "_answering",
        "_connection",
        "_desk",
        "_left",
        "_patience",
        "_silent",
        "_socket",
        "_switchboard",
    )

    def __init__(
        self,
        desk: Desk,
        switchboard: Switchboard,
        silent: dict[Connection, None],
        address: str | None,
        take_over: Callable[[Listener], Socket],
    ) -> None:
        self._desk = desk
        self._switchboard = switchboard
        self._silent = silent
        self._address = address
        self._answering = False
        self._left = False
        pace = desk.allowances.pace
        frames, messages = Bucket(pace.frames_per_s, pace.frames_burst), Bucket(pace.agent_messages_per_s, pace.burst)
        self._socket = take_over(self)
        self._connection = Connection(
            self._socket.send, frames, messages, self._socket.write_text, lambda: desk.background(self._see_off())
        )
        desk.hub.connections.add(self._connection)
        loop = asyncio.get_running_loop()
        self._patience: asyncio.TimerHandle | None = loop.call_later(HELLO_WITHIN_S, self._lose_patience)
        self._make_room()

    def heard_at_once(self, text: str) -> bool:
        """Take a `pong`."""
        if not self._switchboard.take_at_once(self._connection, text):
            return False
        self._connection.heard_at = time.monotonic()
        return True

    async def heard(self, text: str | None) -> None:
        """Carry out the lines of a frame, one after another."""
        connection = self._connection
        if not connection.open:
            return
        connection.heard_at = time.monotonic()
        if connection.who is not None:
            await self._carry_out(text)
            return
        self._answering = True
        await self._carry_out(text)
        self._answering = False
        if connection.who is not None and self._patience is not None:
            self._patience.cancel()
            self._patience = None
        elif connection.who is None and self._patience is None:
            connection.close(Close.BAD_PROTOCOL)

    def gone(self) -> None:
        """Forget this socket."""
        if self._left:
            return
        self._left = True
        connection, desk = self._connection, self._desk
        connection.gone()
        if self._patience is not None:
            self._patience.cancel()
        self._silent.pop(connection, None)
        desk.hub.drop(connection)
        if connection.who is not None:
            desk.roster.leave(connection.who.id, connection.heard_at)
        desk.addresses.leave(self._address)

    async def _carry_out(self, text: str | None) -> None:
        connection = self._connection
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

    def _lose_patience(self) -> None:
        """No hello in time. Only the client's time counts: one that we answer slowly was said."""
        self._patience = None
        if self._connection.who is None and not self._answering:
            self._connection.close(Close.BAD_PROTOCOL)

    def _make_room(self) -> None:
        """Send the oldest of those away who have said nothing, when they are too many: people say hello at once."""
        self._silent[self._connection] = None
        if len(self._silent) > self._desk.most_sockets // 2:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.close(Close.TOO_MANY)

    async def _see_off(self) -> None:
        """Send what is queued, and close."""
        if self._left:
            return
        try:
            await self._connection.finish()
        except (OSError, RuntimeError, TimeoutError):
            log.debug("socket.broke")
        self._socket.stop()
        self.gone()


class _Nobody:
    """Hears a socket that is closed at once."""

    def heard_at_once(self, text: str) -> bool:
        return True

    async def heard(self, text: str | None) -> None:
        pass

    def gone(self) -> None:
        pass


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
