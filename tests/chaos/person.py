"""What visitors and agents have in common: they come, are thrown out, and come back as docs/protocol.md says."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.chaos.crowding import crowding
from tests.chaos.lane import Lane
from tests.chaos.ledger import Fenced, Frame, Ledger
from tests.chaos.outbox import Outbox
from tests.chaos.wire import LOST, SILENCE_S, Lost, Refused, Socket
from tests.journeys.wire_client import new_id

LONGEST_WAIT_S = 4.0
"""Clients wait at most 30 s. Here less: how the servers recover is to be seen, not what the dice of a client say."""
GONE = (*LOST, httpx2.HTTPError, Refused)
"""Why somebody may have to come again."""
WORDS = [
    "the",
    "kettle",
    "arrived",
    "with",
    "a",
    "chip",
    "in",
    "its",
    "spout",
    "and",
    "I",
    "would",
    "like",
    "another",
    "one",
    "please",
    "thank",
    "you",
    "so",
    "much",
]


@dataclass(frozen=True)
class Doors:
    """Where the server processes are reached, each through its proxy.

    Attributes:
        addresses: gives the present (host, port) of each.
        origin: the server's own.
        http: for what is asked beside the socket.
    """

    addresses: Callable[[], Sequence[tuple[str, int]]]
    origin: str
    http: httpx2.AsyncClient


class Person(ABC):
    """Somebody with one window.

    Args:
        name: for people who read the report.
        ledger: keeps what they do and hear.
        doors: where they may connect.
        chance: theirs alone, so that a seed gives each person the same character.
        pace: mean seconds between two messages.

    Attributes:
        silent: they do nothing by themselves any more; their connection and outbox go on.
        first_door: where they connect the first time; else wherever chance leads them.
        doing: how far they got with connecting, for whoever looks why somebody is late.
        told_to_wait_s: what processes that left said.
    """

    def __init__(self, name: str, ledger: Ledger, doors: Doors, chance: random.Random, pace: float) -> None:
        self.name = name
        self.id = ""
        self.ledger = ledger
        self.doors = doors
        self.chance = chance
        self.pace = pace
        self.outbox = Outbox(ledger)
        self.lanes: dict[tuple[str, str], Lane] = {}
        self.socket: Socket | None = None
        self.ready = asyncio.Event()
        self.silent = False
        self.leaving = False
        self.doing = ""
        self.first_door: tuple[str, int] | None = None
        self.told_to_wait_s: list[float] = []
        self._told_to_wait_s: float | None = None
        self._snapshot: asyncio.Future[Frame] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._written = 0

    # Life

    def live(self) -> None:
        """Begin."""
        self._spawn(self._stay_connected())
        self._spawn(self._act_for_ever())

    async def leave(self) -> None:
        """Stop everything and hang up."""
        self.leaving = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.socket is not None:
            await self.socket.close()

    @abstractmethod
    async def act(self) -> None:
        """Do one thing that somebody like this does; called again and again."""

    @abstractmethod
    async def token(self, url: str) -> str:
        """Return a credential.

        Raises:
            GONE: it cannot be had there just now.
        """

    @abstractmethod
    def places(self) -> Frame:
        """Return `pos` for the hello."""

    @abstractmethod
    def arrived(self, snapshot: Frame) -> None:
        """Take over a snapshot."""

    @abstractmethod
    def heard(self, frame: Frame) -> None:
        """Take a frame that is neither an answer nor an event."""

    @abstractmethod
    def may_hear(self, frame: Frame) -> str | None:
        """Return what is wrong with getting an event, or None."""

    # Doing

    def say(self, c: str, lane: str = "public") -> None:
        """Write a message or note."""
        self._written += 1
        words = " ".join(self.chance.choices(WORDS, k=self.chance.randint(1, 12)))
        text = f"{self.name} {self._written}: {words}"
        self.outbox.write(self.ledger.write(new_id(), c, lane, self.id, text))

    async def command(self, frame: Frame) -> Frame | None:
        """Carry out a command, if there is a connection. Return its `ok`; None when it was refused or lost."""
        if self.socket is None or not self.ready.is_set():
            return None
        try:
            answer = await self.socket.command(frame)
        except Refused as error:
            self.ledger.refusals[error.code] += 1
            if error.retry:
                self.ledger.noticed()
            await self.refused(frame, error)
            return None
        except LOST:
            return None
        if "gen" in frame and "gen" in answer:
            self.ledger.fenced.append(
                Fenced(self.ledger.tick(), self.id, frame["t"], frame["c"], frame["gen"], answer["gen"])
            )
        return answer

    async def refused(self, frame: Frame, error: Refused) -> None:
        """A command was refused."""
        await asyncio.sleep(max(error.after_s, 0.1))

    @property
    def silence_s(self) -> float:
        """After what silence they give a server up."""
        return SILENCE_S

    async def pause(self, mean_s: float) -> None:
        """Wait about so long; longer where the machine is slow or busy: what is too much for it proves nothing."""
        await asyncio.sleep(self.chance.uniform(0.5, 1.5) * mean_s * crowding())

    def lane(self, c: str, lane: str) -> Lane:
        """Return this person's place in a lane."""
        key = (c, lane)
        if key not in self.lanes:
            self.lanes[key] = Lane(self.ledger, self.id, c, lane)
        return self.lanes[key]

    def fill(self, c: str, lane: str) -> None:
        """Ask for what is missing in a lane."""
        place = self.lane(c, lane)
        if not place.fetching:
            place.fetching = True
            self._spawn(self._fetch(c, lane, place))

    def hop(self) -> None:
        """Lose the connection; the next one may lead to another process."""
        if self.socket is not None:
            self.socket.cut()

    # Connecting

    async def _stay_connected(self) -> None:
        attempt = 0
        while not self.leaving:
            try:
                await self._come()
                attempt = 0
                assert self.socket is not None
                while not await self.socket.wait_ended(1, self.silence_s):
                    pass
                self.ledger.reconnects += 1
                self.ledger.noticed()
            except GONE as error:
                attempt += 1
                self.doing = f"attempt {attempt} failed: {error!r}"
            finally:
                self.ready.clear()
                self.outbox.disconnected()
                if self.socket is not None:
                    self._spawn(self.socket.close())
            wait_s, self._told_to_wait_s = self._told_to_wait_s, None
            if wait_s is None:
                wait_s = self.chance.uniform(0, min(LONGEST_WAIT_S, 0.5 * 2**attempt))
            await asyncio.sleep(wait_s)

    async def _come(self) -> None:
        host, port = self.first_door or self.chance.choice(list(self.doors.addresses()))
        self.doing = f"gets a credential at {port}"
        token = await self.token(f"http://{host}:{port}")
        self.doing = f"connects to {port}"
        socket = Socket((host, port), self.doors.origin, self._heard)
        self._snapshot = asyncio.get_running_loop().create_future()
        await socket.open()
        self.socket = socket
        self.doing = f"says hello to {port}"
        places = self.places()
        for place in self.lanes.values():
            place.owed = None
            place.fetching = False
        for (c, lane), place in self.lanes.items():
            if lane in places.get(c, {}):
                place.owed = place.have
        await socket.command({"t": "hello", "token": token, "pos": places}, within_s=15)
        ended = asyncio.create_task(socket.ended.wait())
        await asyncio.wait([self._snapshot, ended], timeout=15, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not self._snapshot.done():
            raise Lost(socket.close_code)
        self.first_door = None
        self.ready.set()
        self.outbox.connected(socket)

    # Hearing

    def _heard(self, frame: Frame) -> None:
        kind = frame["t"]
        if kind == "snapshot":
            self.arrived(frame)
            if self._snapshot is not None and not self._snapshot.done():
                self._snapshot.set_result(frame)
        elif kind == "ev":
            wrong = self.may_hear(frame)
            if wrong:
                self.ledger.anomaly("I15", f"{self.name} got {wrong}: {frame}")
            elif not self.lane(frame["c"], frame["lane"]).live(frame):
                self.fill(frame["c"], frame["lane"])
        elif kind == "gap":
            place = self.lane(frame["c"], frame["lane"])
            place.owed = frame["head"]
            self.fill(frame["c"], frame["lane"])
        elif kind == "reconnect":
            self._told_to_wait_s = frame["after_ms"] / 1000
            self.told_to_wait_s.append(self._told_to_wait_s)
            self.ledger.noticed()
        else:
            self.heard(frame)

    async def _fetch(self, c: str, lane: str, place: Lane) -> None:
        socket = self.socket
        try:
            more = True
            while more and socket is not None:
                answer = await socket.command({"t": "sync", "c": c, "lane": lane, "after": place.have or 0})
                place.page(answer["events"])
                more = answer["more"]
        except (*LOST, Refused) as error:
            if isinstance(error, Refused) and error.code == "not_found":
                # It is another's by now.
                place.fetching = False
                return
            await asyncio.sleep(0.5)
        place.fetched()
        if place.behind:
            await asyncio.sleep(0.3)
        # On another connection the hello says where to go on.
        if place.behind and socket is self.socket and socket is not None and not socket.ended.is_set():
            self.fill(c, lane)

    async def _act_for_ever(self) -> None:
        while not self.leaving:
            if self.silent:
                await asyncio.sleep(0.1)
                continue
            await self.act()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.ledger.anomaly("harness", f"{self.name}: {task.exception()!r}")

    async def quiet(self) -> None:
        """Stop acting; connections and the outbox go on."""
        self.silent = True
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
