"""The conversations of the generator: offered on schedule whatever the server does, and every step timed.

A message's times count from the moment it was due, not from the moment it could be sent: a server that stalls is
charged for all who wait meanwhile.
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
"""Of one sender in one conversation; docs/protocol.md."""
PATIENCE_S = 20.0
"""How long after the last message was due answers are waited for."""
SHORTEST_SLEEP_S = 0.001
"""The event loop's timers know no shorter one."""


class Speaker:
    """One side of one conversation: its outbox, and what is on its way."""

    __slots__ = ("conversation", "in_flight", "outbox", "pause_s", "visit")

    def __init__(self, visit: Visit, conversation: bytes) -> None:
        self.visit = visit
        self.conversation = conversation
        self.outbox: list[int] = []
        self.in_flight = 0
        self.pause_s: float | None = None


class Talk:
    """All conversations."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        spans_s = (orders.warm_s, orders.seconds)
        self._lines = schedule(orders.rate, spans_s, len(orders.conversations), orders.seed)
        self._warm = round(orders.rate * orders.warm_s)
        self._said = [Said(line.conversation, line.side) for line in self._lines]
        self._places = {c: place for place, c in enumerate(orders.conversations)}
        self._speakers: dict[tuple[int, Side], Speaker] = {}
        self._flying: dict[tuple[Visit, int], tuple[Speaker, int]] = {}
        self._received: defaultdict[tuple[int, Side], list[tuple[int, int]]] = defaultdict(list)
        self._start = 0.0
        self._sent_at = [0.0] * len(self._lines)
        self._acked_at = [0.0] * len(self._lines)
        self._delivered_at = [0.0] * len(self._lines)
        self._retried = 0
        self._awaited = len(self._lines) * 3
        """One `ok` and one event on either side for each message."""
        self._decided = asyncio.Event()
        self._failure: VisitError | None = None

    def seat(self, visit: Visit) -> None:
        """Somebody is here."""
        for place in visit.seat.conversations:
            speaker = Speaker(visit, self._orders.conversations[place].encode())
            self._speakers[place, visit.seat.side] = speaker

    async def speak(self, begin: Callable[[], None]) -> None:
        """Offer all messages; return when each is decided, or after PATIENCE_S.

        Args:
            begin: called when the measured ones start.

        Raises:
            VisitError: a message was refused for good.
        """
        self._start = time.perf_counter()
        for place, line in enumerate(self._lines):
            ahead = line.at - (time.perf_counter() - self._start)
            if ahead > 0:
                await asyncio.sleep(max(ahead, SHORTEST_SLEEP_S))
            if place == self._warm:
                begin()
            speaker = self._speakers[line.conversation, line.side]
            speaker.outbox.append(place)
            self._pump(speaker)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._decided.wait(), PATIENCE_S)
        if self._failure is not None:
            raise self._failure

    def answered(self, visit: Visit, frame: Frame) -> None:
        """An `ok` or `err` came."""
        now = time.perf_counter()
        speaker, place = self._flying.pop((visit, frame.id or 0))
        speaker.in_flight -= 1
        if frame.t == "ok":
            self._said[place].s = frame.s
            self._acked_at[place] = now
            self._count()
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
        now = time.perf_counter()
        place, side = place_of(frame.m), visit.seat.side
        self._received[self._places[frame.c], side].append((frame.s, place))
        if side != self._lines[place].side and not self._delivered_at[place]:
            self._delivered_at[place] = now
        self._count()

    def diary(self) -> Diary:
        """Return what was seen."""
        due = [self._start + line.at for line in self._lines]
        measured = range(self._warm, len(self._lines))
        begun, end = self._start + self._orders.warm_s, self._start + self._orders.warm_s + self._orders.seconds

        def since_due(moments: list[float]) -> list[float]:
            return [(moments[place] - due[place]) * 1000 for place in measured if moments[place]]

        return Diary(
            said=self._said,
            warm=self._warm,
            heard=[Heard(place, side, events) for (place, side), events in self._received.items()],
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
        if not self._awaited:
            self._decided.set()


_MADE_AT_MS = time.time_ns() // 1_000_000
