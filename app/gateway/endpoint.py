"""The raw ASGI application behind `/ws`: upgrade, hello, frames, farewell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from app.errors import DeskbellError, Limited, Unauthorized
from app.gateway.commands import carry_out
from app.gateway.connection import Connection
from app.gateway.connection import Send as AsgiSend
from app.gateway.desk import Desk
from app.gateway.following import Following
from app.gateway.people import Guest
from app.gateway.throttle import Bucket
from app.gateway.welcome import welcome
from app.ids import uuid7
from app.protocol.codes import HELLO_WITHIN_S, MAX_FRAME_BYTES, SUBPROTOCOL, Close
from app.protocol.frames import AnyCommand, Hello, Note, Send
from app.protocol.reading import Unreadable, read_command

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Endpoint:
    """Serves one socket a call.

    Args:
        desk: this process's parts.
        following: keeps the lanes complete.
    """

    def __init__(self, desk: Desk, following: Following) -> None:
        self._desk = desk
        self._following = following
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        headers = dict(scope["headers"])
        await receive()
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if self.draining:
            await _refuse(send, 503, b"unavailable")
        elif scope["path"] != "/ws":
            await _refuse(send, 404, b"not_found")
        elif origin not in self._desk.own_origins:
            await _refuse(send, 403, b"forbidden")
        elif SUBPROTOCOL not in scope.get("subprotocols", ()):
            await _refuse(send, 400, b"invalid")
        else:
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
            await self._serve(receive, send)

    async def _serve(self, receive: Receive, send: AsgiSend) -> None:
        pace = self._desk.pace
        connection = Connection(
            send, Bucket(pace.frames_per_s, pace.frames_burst), Bucket(pace.agent_messages_per_s, pace.burst)
        )
        self._desk.hub.connections.add(connection)
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
            self._desk.hub.drop(connection)
            if connection.who is not None:
                self._desk.roster.leave(connection.who.id, connection.heard_at)

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
        for line in text.split("\n"):
            if connection.open:
                await self._line(connection, line)

    async def _line(self, connection: Connection, line: str) -> None:
        command_id: int | None = None
        try:
            try:
                command = read_command(line)
            except Unreadable as error:
                if error.malformed and connection.session.saw_malformed():
                    connection.fail(None, error.code, error.message)
                    connection.close(Close.BAD_PROTOCOL)
                    return
                command_id = error.command_id
                self._check_pace(connection)
                raise
            command_id = getattr(command, "id", None)
            connection.session.admit(command)
            self._check_pace(connection, command)
            if isinstance(command, Hello):
                await self._hello(connection, command)
            else:
                await carry_out(self._desk, self._following, connection, command)
        except DeskbellError as error:
            _tell(connection, command_id, error)
        except Exception:
            log.exception("command.failed", command_id=command_id)
            _tell(connection, command_id, DeskbellError("Something went wrong on our side; it has been noted."))

    async def _hello(self, connection: Connection, hello: Hello) -> None:
        """Sign somebody in, or send them away: a connection with half a welcome is of no use."""
        try:
            try:
                await welcome(self._desk, self._following, connection, hello)
            finally:
                connection.release()
        except Unauthorized as error:
            _tell(connection, hello.id, error)
            connection.close(Close.BAD_CREDENTIAL)
        except Limited as error:
            _tell(connection, hello.id, error)
            connection.close(Close.TOO_MANY)
        except DeskbellError as error:
            _tell(connection, hello.id, error)
            connection.close(Close.TRY_LATER)
        except Exception:
            log.exception("hello.failed", command_id=hello.id)
            _tell(connection, hello.id, DeskbellError("Something went wrong on our side; it has been noted."))
            connection.close(Close.TRY_LATER)
        else:
            if isinstance(connection.who, Guest):
                pace = self._desk.pace
                connection.messages = Bucket(pace.visitor_messages_per_s, pace.burst)

    def _check_pace(self, connection: Connection, command: AnyCommand | None = None) -> None:
        """Slow a flood down; a client that does not listen is closed.

        Args:
            command: what was said, if it could be read: later messages must not overtake one that is refused here.

        Raises:
            Limited: too many frames.
        """
        wait_s = connection.frames.take(time.monotonic())
        if wait_s:
            connection.refused += 1
            if connection.refused > 100:
                connection.close(Close.TOO_MANY)
            if isinstance(command, Send | Note):
                connection.hold_back(command)
            raise Limited("That is too fast.", retry_after_s=wait_s)
        connection.refused = max(0, connection.refused - 1)


def _tell(connection: Connection, command_id: int | None, error: DeskbellError) -> None:
    connection.fail(
        command_id, error.code, error.message, retry=error.retry, after_s=error.retry_after_s, field=error.field
    )


async def _refuse(send: AsgiSend, status: int, code: bytes) -> None:
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
