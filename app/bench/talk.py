"""The conversations of the generator: every message and every step of it timed.

Either messages are offered on schedule, whatever the server does; then a message's times count from the moment it was
due, not from the moment it could be sent: a server that stalls is charged for all who wait meanwhile. Or so many are
always in flight, which shows the most that the server carries; then they count from the moment it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import insort
from collections import defaultdict
from collections.abc import Callable

from app.bench.orders import Diary, Heard, Orders, Said, Side
from app.bench.schedule import id_of, place_of, schedule, text_of
from app.bench.visit import Frame, Visit, VisitError

MOST_IN_FLIGHT = 16
"""Of one socket in one conversation; docs/protocol.md."""
PATIENCE_S = 20.0
"""How long after the last message was due answers are waited for."""
SHORTEST_SLEEP_S = 0.001
"""The event loop's timers know no shorter one."""


class Speaker:
    """One socket in one conversation: its outbox, and what is on its way."""

    __slots__ = ("conversation", "in_flight", "number", "outbox", "pause_s", "place", "visit")

    def __init__(self, visit: Visit, number: int, place: int, conversation: bytes) -> None:
        self.visit = visit
        self.number = number
        self.place = place
        self.conversation = conversation
        self.outbox: list[int] = []
        self.in_flight = 0
        self.pause_s: float | None = None


class Talk:
    """All conversations."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._places = {c: place for place, c in enumerate(orders.conversations)}
        self._numbers: dict[Visit, int] = {}
        self._speakers: defaultdict[tuple[int, Side], list[Speaker]] = defaultdict(list)
        self._present = [0] * len(orders.conversations)
        """Sockets a conversation."""
        self._flying: dict[tuple[Visit, int], tuple[Speaker, int]] = {}
        self._received: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._start = 0.0
        self._warm = 0
        # Of each message, by its place.
        self._said: list[Said] = []
        self._due: list[float] = []
        self._sent_at: list[float] = []
        self._acked_at: list[float] = []
        self._delivered_at: list[float] = []
        self._retried = 0
        self._awaited = 0
        """One `ok`, and one event on each socket, for each message."""
        self._over = False
        self._decided = asyncio.Event()
        self._failure: VisitError | None = None

    def seat(self, visit: Visit) -> None:
        """Somebody is here."""
        number = self._numbers[visit] = len(self._numbers)
        for place in visit.seat.conversations:
            speaker = Speaker(visit, number, place, self._orders.conversations[place].encode())
            self._speakers[place, visit.seat.side].append(speaker)
            self._received[place, number] = []
            self._present[place] += 1

    async def speak(self, begin: Callable[[], None]) -> None:
        """Say everything; return when each message is decided, or after PATIENCE_S.

        Args:
            begin: called when the measured ones start.

        Raises:
            VisitError: a message was refused for good.
        """
        self._start = time.perf_counter()
        if self._orders.in_flight:
            await self._saturate(begin)
        else:
            await self._offer(begin)
        self._over = True
        if self._awaited:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._decided.wait(), PATIENCE_S)
        if self._failure is not None:
            raise self._failure

    async def _offer(self, begin: Callable[[], None]) -> None:
        spans_s = (self._orders.warm_s, self._orders.seconds)
        lines = schedule(self._orders.rate, spans_s, len(self._orders.conversations), self._orders.seed)
        warm = round(self._orders.rate * self._orders.warm_s)
        self._start = time.perf_counter()
        for number, line in enumerate(lines):
            ahead = line.at - (time.perf_counter() - self._start)
            if ahead > 0:
                await asyncio.sleep(max(ahead, SHORTEST_SLEEP_S))
            if number == warm:
                self._warm = len(self._said)
                begin()
            self._say(self._speakers[line.conversation, line.side][0], self._start + line.at)

    async def _saturate(self, begin: Callable[[], None]) -> None:
        for conversation in range(len(self._orders.conversations)):
            sides: tuple[Side, Side] = ("visitor", "agent") if conversation % 2 else ("agent", "visitor")
            mouths = [
                speaker
                for pair in zip(*(self._speakers[conversation, side] for side in sides), strict=True)
                for speaker in pair
            ]
            for number in range(self._orders.in_flight):
                self._say(mouths[number % len(mouths)])
        await asyncio.sleep(self._orders.warm_s)
        self._warm = len(self._said)
        begin()
        await asyncio.sleep(self._orders.seconds)

    def _say(self, speaker: Speaker, due: float | None = None) -> None:
        """Put a new message into somebody's outbox.

        Args:
            due: when it should be said (seconds of perf_counter); now, if not given.
        """
        place = len(self._said)
        self._said.append(Said(speaker.place, speaker.number))
        self._due.append(time.perf_counter() if due is None else due)
        self._sent_at.append(0.0)
        self._acked_at.append(0.0)
        self._delivered_at.append(0.0)
        self._awaited += 1 + self._present[speaker.place]
        speaker.outbox.append(place)
        self._pump(speaker)

    def answered(self, visit: Visit, frame: Frame) -> None:
        """An `ok` or `err` came."""
        now = time.perf_counter()
        speaker, place = self._flying.pop((visit, frame.id or 0))
        speaker.in_flight -= 1
        if frame.t == "ok":
            self._said[place].s = frame.s
            self._acked_at[place] = now
            self._count()
            if self._orders.in_flight and not self._over:
                self._say(speaker)
        elif frame.retry:
            self._retried += 1
            insort(speaker.outbox, place)
            speaker.pause_s = max(speaker.pause_s or 0, frame.after_ms / 1000)
        else:
            self._failure = VisitError(f"a message of the {visit.seat.side} was refused: {frame.code}")
            self._decided.set()
        if speaker.pause_s is None:
            self._pump(speaker)
        elif not speaker.in_flight:
            # Not before all are answered: a later message could overtake the one that comes again.
            asyncio.get_running_loop().call_later(speaker.pause_s, self._resume, speaker)

    def heard(self, visit: Visit, frame: Frame) -> None:
        """A message came."""
        place, number = place_of(frame.m), self._numbers[visit]
        self._received[self._places[frame.c], number].append((frame.s, place))
        if number != self._said[place].socket:
            # The last of those who wait for it counts.
            self._delivered_at[place] = time.perf_counter()
        self._count()

    def diary(self) -> Diary:
        """Return what was seen."""
        measured = range(self._warm, len(self._said))
        begun, end = self._start + self._orders.warm_s, self._start + self._orders.warm_s + self._orders.seconds

        def since_due(moments: list[float]) -> list[float]:
            return [(moments[place] - self._due[place]) * 1000 for place in measured if moments[place]]

        return Diary(
            said=self._said,
            warm=self._warm,
            heard=[Heard(place, number, events) for (place, number), events in self._received.items()],
            retried=self._retried,
            busy_s=max([end, *(self._acked_at[place] for place in measured)]) - begun,
            ack_ms=since_due(self._acked_at),
            delivery_ms=since_due(self._delivered_at),
            late_ms=since_due(self._sent_at),
        )

    def _pump(self, speaker: Speaker) -> None:
        while speaker.outbox and speaker.in_flight < MOST_IN_FLIGHT and speaker.pause_s is None:
            place = speaker.outbox.pop(0)
            if not self._sent_at[place]:
                self._sent_at[place] = time.perf_counter()
            speaker.in_flight += 1
            number = speaker.visit.command(
                b'"c":"%b","m":"%b","body":{"text":"%b"}}'
                % (speaker.conversation, str(id_of(place, _MADE_AT_MS)).encode(), text_of(place).encode())
            )
            self._flying[speaker.visit, number] = (speaker, place)

    def _resume(self, speaker: Speaker) -> None:
        speaker.pause_s = None
        self._pump(speaker)

    def _count(self) -> None:
        self._awaited -= 1
        if self._over and not self._awaited:
            self._decided.set()


_MADE_AT_MS = time.time_ns() // 1_000_000
