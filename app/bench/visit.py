"""One socket of the generator: it says hello, answers pings, and hands on what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from msgspec import Struct

from app.bench.orders import Seat
from app.bench.wire_socket import WireSocket

WELCOME_PATIENCE_S = 60.0


class Frame(Struct):
    """What the generator wants to know of any frame of the server."""

    t: str
    id: int | None = None
    c: str = ""
    m: str = ""
    s: int = 0
    lane: str = ""
    kind: str = ""
    code: str = ""
    retry: bool = False
    after_ms: int = 0
    spread_ms: int = 0


_FRAME = msgspec.json.Decoder(Frame)


class VisitError(Exception):
    """A socket did not do what it should; the figures would mean nothing."""


class Listener(Protocol):
    """Who wants to hear of answers and messages."""

    def answered(self, visit: Visit, frame: Frame) -> None:
        """An `ok` or `err` came."""
        ...

    def heard(self, visit: Visit, frame: Frame) -> None:
        """A message came."""
        ...


class Visit:
    """One socket.

    Args:
        seat: where and as whom.
        listener: hears what follows the welcome.
        lost: called with a sentence when the server ends it.
        pos: where its client stands, as the hello says it.

    Attributes:
        spread_s: within which the server wants its sockets back when it dies, as it said last.
    """

    def __init__(
        self,
        seat: Seat,
        listener: Listener,
        lost: Callable[[str], None],
        pos: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        self.seat = seat
        self._pos = pos or {}
        self._listener = listener
        self._socket = WireSocket(f"http://127.0.0.1:{seat.port}", self._take, lambda code: lost(_lost(seat, code)))
        self._number = 1
        self.spread_s = 0.0
        self._welcome = asyncio.get_running_loop().create_future()

    async def knock(self) -> None:
        """Connect, and say nothing.

        Raises:
            VisitError: it was refused.
        """
        try:
            async with asyncio.timeout(WELCOME_PATIENCE_S):
                await self._connect()
        except (OSError, TimeoutError) as error:
            raise VisitError(f"a {self.seat.side} could not connect: {error!r}") from error

    async def arrive(self) -> None:
        """Connect and say hello; return when the snapshot has come.

        Raises:
            VisitError: it was refused.
        """
        try:
            async with asyncio.timeout(WELCOME_PATIENCE_S):
                await self._connect()
                hello = {"t": "hello", "id": 1, "token": self.seat.token, "caps": ["batch"], "pos": self._pos}
                self._socket.send(msgspec.json.encode(hello))
                await self._welcome
        except (OSError, TimeoutError) as error:
            raise VisitError(f"a {self.seat.side} could not connect: {error!r}") from error

    def command(self, middle: bytes) -> int:
        """Send a command, `{"t":…,"id":…,` and then `middle`; return its number."""
        self._number += 1
        self._socket.send(b'{"t":"send","id":%d,%b' % (self._number, middle))
        return self._number

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def reset(self) -> None:
        """Break off without a word."""
        self._socket.reset()

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self._socket, "127.0.0.1", self.seat.port)
        await self._socket.upgraded()

    def _take(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            frame = _FRAME.decode(line)
            if frame.t == "ev":
                if frame.kind == "message":
                    self._listener.heard(self, frame)
            elif frame.t in ("ok", "err"):
                self._answered(frame)
            elif frame.t == "ping":
                self._socket.send(b'{"t":"pong"}')
                self.spread_s = frame.spread_ms / 1000
            elif frame.t == "snapshot" and not self._welcome.done():
                self._welcome.set_result(None)

    def _answered(self, frame: Frame) -> None:
        if frame.id != 1:
            self._listener.answered(self, frame)
        elif frame.t == "err" and not self._welcome.done():
            self._welcome.set_exception(VisitError(f"a {self.seat.side}'s hello was refused: {frame.code}"))


def _lost(seat: Seat, code: int) -> str:
    return f"the server closed a {seat.side}'s socket with {code}"
