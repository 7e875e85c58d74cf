"""The people with a socket in a pairing measurement: agents who close and are given the next, visitors who are told."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from app.bench.ground import BenchError
from app.bench.wire_socket import WireSocket

PATIENCE_S = 120.0
"""For a welcome, and for a pairing."""
AGAIN_S = 0.25
"""Until what could not be done just now is asked again."""

Frame = dict[str, Any]


class Person:
    """One socket."""

    def __init__(self, port: int, token: str) -> None:
        self._token = token
        self._port = port
        self._socket = WireSocket(f"http://127.0.0.1:{port}", self._take, self._lost)
        self._welcome = asyncio.get_running_loop().create_future()
        self._number = 0

    async def arrive(self) -> None:
        """Connect and say hello; return when the snapshot has come.

        Raises:
            BenchError: it did not.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: self._socket, "127.0.0.1", self._port)
                await self._socket.upgraded()
                self.say({"t": "hello", "token": self._token})
                await self._welcome
        except (OSError, TimeoutError) as error:
            raise BenchError(f"Somebody could not connect: {error!r}") from error

    def say(self, frame: Frame) -> None:
        """Send a command."""
        self._number += 1
        self._socket.send(msgspec.json.encode({**frame, "id": self._number}))

    def leave(self) -> None:
        """Hang up."""
        self._socket.close()

    def heard(self, frame: Frame) -> None:
        """Something came that is neither a welcome nor a ping."""

    def _take(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            frame: Frame = msgspec.json.decode(line)
            if frame["t"] == "ping":
                self._socket.send(b'{"t":"pong"}')
            elif frame["t"] == "snapshot":
                if not self._welcome.done():
                    self._welcome.set_result(None)
            else:
                self.heard(frame)

    def _lost(self, code: int) -> None:
        if not self._welcome.done():
            self._welcome.set_exception(BenchError(f"The server closed a socket with {code}."))


class Waiter(Person):
    """A visitor in line. `joined` is set when they are told that somebody is there, to the moment."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(port, token)
        self.joined: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def heard(self, frame: Frame) -> None:
        if frame["t"] == "ev" and frame["kind"] == "joined" and not self.joined.done():
            self.joined.set_result(time.perf_counter())


class Answerer(Person):
    """An agent with room for one, whose client confirms by itself.

    Args:
        waiters: the visitors with a socket, by conversation.

    Attributes:
        missed: how often an offer ran out before it was confirmed.
        put_off: how often they were asked to try again.
    """

    def __init__(self, port: int, token: str, waiters: dict[str, Waiter]) -> None:
        super().__init__(port, token)
        self.missed = self.put_off = 0
        self._waiters = waiters
        self._mine: asyncio.Future[tuple[str, int, float]] = asyncio.get_running_loop().create_future()
        self._asked: dict[int, Frame] = {}
        self._begun = False
        self._has: tuple[str, int] | None = None

    async def begin(self) -> None:
        """Take chats from now on; return with the first."""
        self._begun = True
        self._ask({"t": "status", "accept": True})
        await self._next()
        self.missed = self.put_off = 0

    async def pair(self) -> float | None:
        """Close what there is and wait for the next.

        Returns:
            Milliseconds from the closing until both were told: the visitor that an agent is there, and the agent that
            the chat is theirs. None when the visitor has no socket.

        Raises:
            BenchError: nobody came.
        """
        assert self._has is not None, "it has begun"
        c, gen = self._has
        began = time.perf_counter()
        self._ask({"t": "close", "c": c, "gen": gen})
        c, told = await self._next()
        waiter = self._waiters.get(c)
        if waiter is None:
            return None
        visitor_told = await asyncio.wait_for(waiter.joined, PATIENCE_S)
        return (max(told, visitor_told) - began) * 1000

    async def _next(self) -> tuple[str, float]:
        try:
            c, gen, moment = await asyncio.wait_for(asyncio.shield(self._mine), PATIENCE_S)
        except TimeoutError:
            raise BenchError("An agent with room was given nobody although many wait.") from None
        self._mine = asyncio.get_running_loop().create_future()
        self._has = (c, gen)
        return c, moment

    def heard(self, frame: Frame) -> None:
        if frame["t"] == "offer":
            self._ask({"t": "offer.accept", "c": frame["c"], "gen": frame["gen"]})
        elif frame["t"] in ("ok", "err"):
            command = self._asked.pop(frame["id"], None)
            if command is not None:
                self._answered(command, frame)
        elif frame["t"] == "me" and self._begun and not frame["me"]["accept"]:
            # The machine was so busy that an offer ran out before it was confirmed.
            self.missed += 1
            self._ask({"t": "status", "accept": True})

    def _ask(self, command: Frame) -> None:
        self.say(command)
        self._asked[self._number] = command

    def _answered(self, command: Frame, answer: Frame) -> None:
        if answer["t"] == "err" and answer["code"] == "unavailable":
            # The same again, as the console does.
            self.put_off += 1
            asyncio.get_running_loop().call_later(AGAIN_S, self._ask, command)
        elif answer["t"] == "ok" and command["t"] == "offer.accept" and not self._mine.done():
            self._mine.set_result((command["c"], answer["gen"], time.perf_counter()))
