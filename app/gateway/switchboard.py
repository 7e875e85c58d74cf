"""From a line to what it asks for, the same for every transport: admitted, paced, carried out, answered."""

from __future__ import annotations

import asyncio
import time

import structlog

from app.errors import DeskbellError, Limited, Unauthorized
from app.gateway.commands import carry_out
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.following import Following
from app.gateway.people import Guest
from app.gateway.welcome import welcome
from app.protocol.codes import Close
from app.protocol.frames import AnyCommand, Hello, Note, Send
from app.protocol.reading import PONG, Unreadable, read_command

log = structlog.get_logger()

MOST_WELCOMES = 64
"""Hellos answered at the same time. When thousands come at once the first are done soon."""


class Switchboard:
    """Takes lines of connections.

    Args:
        desk: this process's parts.
        following: keeps the lanes complete.
    """

    def __init__(self, desk: Desk, following: Following) -> None:
        self._desk = desk
        self._following = following
        self._welcomes = asyncio.Semaphore(MOST_WELCOMES)

    def take_at_once(self, connection: Connection, line: str) -> bool:
        """Carry out a `pong`: ten thousand idle sockets say nothing else, and it asks for nothing.

        Returns:
            False for any other line, and for a pong too many: that is for `take`.
        """
        if line != PONG or connection.who is None or connection.frames.take(time.monotonic()):
            return False
        connection.refused = max(0, connection.refused - 1)
        return True

    async def take(self, connection: Connection, line: str) -> None:
        """Carry out one line and answer it; nothing that is wrong with it raises."""
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
            if type(command) is Hello:
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
                async with self._welcomes:
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
            who = connection.who
            assert who is not None, "they were welcomed"
            kind = "visitor" if isinstance(who, Guest) else "agent"
            allowance = self._desk.allowances.of(who.id, kind, time.monotonic())
            connection.frames, connection.messages = allowance.frames, allowance.messages

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
