"""One team's day under one policy: a discrete-event simulation of the real index (`app/routing/assignment.py`).

Events happen in the order of their times. Whoever gets an agent is served at once. A chat takes
handle × (1 + slowdown × (n - 1)) seconds, n being the agent's chats as it begins, itself included: a fixed toll on
those who do several things at once. Agents whose shift ends finish what they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count

from app.routing.assignment import MAX_PAIRS, SINCE_MS, Candidate, Index, Pair, Place, Waiting
from app.simulation.arrivals import Arrival
from app.simulation.gauge import Announced, Gauge
from app.simulation.policy import Policy
from app.simulation.staff import Worker, resized

TEAM = "team"


@dataclass(slots=True)
class Visit:
    """What became of an arrival. Times in seconds since the beginning.

    Attributes:
        agent: who served them; None when nobody did.
        turned_away: nobody was there for them: no line to get in.
        gave_up_s: when they left unserved.
        announced: what they were told of their wait, if they had to wait and enough was known.
    """

    arrival: Arrival
    agent: str | None = None
    turned_away: bool = False
    assigned_s: float | None = None
    ended_s: float | None = None
    gave_up_s: float | None = None
    announced: Announced | None = None

    @property
    def wait_s(self) -> float | None:
        """How long they waited for an agent; None when they got none."""
        return None if self.assigned_s is None else self.assigned_s - self.arrival.at_s


@dataclass(slots=True)
class _Seat:
    worker: Worker
    there: bool = False
    load: int = 0
    rev: int = 0
    last_ms: int = SINCE_MS
    free_ms: int = SINCE_MS


@dataclass(slots=True)
class _InLine:
    visit: Visit
    waiting: Waiting


class Desk:
    """A team that works.

    Args:
        policy: how its queue is run.
        slowdown: what each further chat at once adds to a chat's length; 0.1 is a tenth.
        turns_away: whether visitors whom nobody who is there can serve find no line to get in.
    """

    def __init__(
        self,
        arrivals: Sequence[Arrival],
        staff: Sequence[Worker],
        policy: Policy,
        *,
        slowdown: float = 0.0,
        turns_away: bool = True,
    ) -> None:
        self.staff = resized(staff, policy.agents or len(staff))
        if policy.capacity is not None:
            self.staff = [replace(worker, capacity=policy.capacity) for worker in self.staff]
        self._policy = policy
        self._slowdown = slowdown
        self._turns_away = turns_away
        self._index = Index()
        self._gauge = Gauge()
        self._seats = {worker.name: _Seat(worker) for worker in self.staff}
        self._line: dict[str, _InLine] = {}
        self._had: dict[str, str] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._now_s = 0.0
        self._visits = [Visit(arrival) for arrival in arrivals]

    def run(self, tell: Callable[[], None] = lambda: None) -> list[Visit]:
        """Let the day pass, and what is left of it after the last arrival; return what became of each arrival.

        Args:
            tell: called at each arrival.
        """
        # First the shifts: who comes in on the stroke of nine finds those whose day begins then.
        for seat in self._seats.values():
            for since, until in seat.worker.shifts:
                self._at(since, lambda seat=seat: self._turn(seat, there=True))
                if until != float("inf"):
                    self._at(until, lambda seat=seat: self._turn(seat, there=False))
        for number, visit in enumerate(self._visits):
            self._at(visit.arrival.at_s, lambda key=f"{number:08}", visit=visit: self._come(key, visit))
            self._at(visit.arrival.at_s, tell)
        while self._events:
            self._now_s, _, happen = heappop(self._events)
            happen()
        return self._visits

    @property
    def _now_ms(self) -> int:
        return SINCE_MS + round(self._now_s * 1000)

    def _at(self, at_s: float, happen: Callable[[], None]) -> None:
        heappush(self._events, (at_s, next(self._order), happen))

    def _come(self, key: str, visit: Visit) -> None:
        arrival, policy = visit.arrival, self._policy
        skills = arrival.skills if policy.skills else ()
        slots = sum(seat.worker.capacity for seat in self._able(skills))
        if not slots and self._turns_away:
            visit.turned_away = True
            return
        boost_s = policy.boost_s if policy.boost_s is not None and arrival.boost_s else arrival.boost_s
        waiting = Waiting(key, TEAM, self._now_ms - boost_s * 1000, skills, self._kept_for(arrival, skills))
        self._line[key] = _InLine(visit, waiting)
        self._serve(self._index.arrival(TEAM, [waiting], self._now_ms))
        if key not in self._line:
            return
        if arrival.patience_s != float("inf"):
            self._at(self._now_s + arrival.patience_s, lambda: self._give_up(key))
        if waiting.reserved_for is not None:
            self._at(self._now_s + policy.sticky_s, lambda: self._release([key]))
        line = self._index.in_line(waiting.lane)
        since = min(self._line[each.id].visit.arrival.at_s for each in line)
        place = next(place for place, each in enumerate(line, 1) if each.id == key)
        visit.announced = self._gauge.announced(waiting.lane, place, slots, since, self._now_s)

    def _able(self, skills: Sequence[str]) -> list[_Seat]:
        return [seat for seat in self._seats.values() if seat.there and set(skills) <= set(seat.worker.skills)]

    def _kept_for(self, arrival: Arrival, skills: Sequence[str]) -> str | None:
        agent = self._had.get(arrival.visitor) if self._policy.sticky_s else None
        return agent if agent is not None and self._seats[agent] in self._able(skills) else None

    def _release(self, ids: Iterable[str]) -> None:
        """They waited long enough for the one agent: anybody may have them, at the same score."""
        for key in ids:
            found = self._line.get(key)
            if found is not None and found.waiting.reserved_for is not None:
                found.waiting = replace(found.waiting, reserved_for=None)
                self._serve(self._index.arrival(TEAM, [found.waiting], self._now_ms))

    def _give_up(self, key: str) -> None:
        found = self._line.pop(key, None)
        if found is not None:
            self._index.remove(found.waiting)
            found.visit.gave_up_s = self._now_s
            self._gauge.finished(self._now_s, self._now_s - found.visit.arrival.at_s, None)

    def _turn(self, seat: _Seat, *, there: bool) -> None:
        seat.there = there
        self._refresh(seat)
        if not there:
            name = seat.worker.name
            self._release([key for key, each in self._line.items() if each.waiting.reserved_for == name])

    def _refresh(self, seat: _Seat) -> None:
        """Tell the index an agent's state, as the queue does whenever it changes."""
        seat.rev += 1
        share = self._policy.share
        place = Place(TEAM, self._policy.strategy, None if share is None else max(0, share - seat.load))
        capacity = seat.worker.capacity if seat.there else 0
        self._serve(
            self._index.slot_freed(
                Candidate(
                    seat.worker.name, seat.load, capacity, seat.last_ms, (place,),
                    seat.rev, seat.free_ms, seat.worker.skills,
                ),
                self._now_ms,
            )
        )  # fmt: skip

    def _serve(self, pairs: list[Pair]) -> None:
        while pairs:
            for pair in pairs:
                self._begin(self._line.pop(pair.conversation), self._seats[pair.agent])
            pairs = self._index.arrival(TEAM, [], self._now_ms) if len(pairs) == MAX_PAIRS else []

    def _begin(self, found: _InLine, seat: _Seat) -> None:
        visit = found.visit
        seat.load += 1
        seat.last_ms = self._now_ms
        visit.agent, visit.assigned_s = seat.worker.name, self._now_s
        self._had[visit.arrival.visitor] = seat.worker.name
        self._gauge.assigned(found.waiting.lane, self._now_s)
        length = visit.arrival.handle_s * (1 + self._slowdown * (seat.load - 1))
        self._at(self._now_s + length, lambda: self._end(visit, seat))

    def _end(self, visit: Visit, seat: _Seat) -> None:
        assert visit.assigned_s is not None
        visit.ended_s = self._now_s
        seat.load -= 1
        seat.free_ms = self._now_ms
        self._gauge.finished(self._now_s, visit.assigned_s - visit.arrival.at_s, self._now_s - visit.assigned_s)
        self._refresh(seat)
