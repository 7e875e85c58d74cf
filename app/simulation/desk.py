"""One team's day under one policy: a discrete-event simulation of the real index (`app/routing/assignment.py`).

Events happen in the order of their times. A chat takes handle × (1 + slowdown × (n - 1)) seconds, n being the agent's
chats as it begins, itself included: a fixed toll on those who do several things at once. Agents whose shift ends finish
what they have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from random import Random

from app.routing.assignment import MAX_PAIRS, SINCE_MS, Index, Pair, Waiting
from app.routing.patience import DECLINED_S, MOST_MISSED
from app.simulation.arrivals import Arrival
from app.simulation.gauge import Gauge
from app.simulation.policy import Policy
from app.simulation.seat import Answer, Seat, answer_of
from app.simulation.staff import ALWAYS, Worker, resized
from app.simulation.visit import InLine, Visit

TEAM, BACKUP = "team", "backup"
AWAY_S = 300.0
"""How long an agent who missed too many offers stays away: nobody knows; they come back by themselves."""


class Desk:
    """A team that works.

    Args:
        policy: how its queue is run.
        slowdown: what each further chat at once adds to a chat's length; 0.1 is a tenth.
        turns_away: whether visitors whom nobody who is there can serve find no line to get in.
        seed: what the answers to offers are drawn from.
    """

    def __init__(
        self,
        arrivals: Sequence[Arrival],
        staff: Sequence[Worker],
        policy: Policy,
        *,
        slowdown: float = 0.0,
        turns_away: bool = True,
        seed: int = 1,
    ) -> None:
        self.staff = resized(staff, policy.agents or len(staff))
        if policy.capacity is not None:
            self.staff = [replace(worker, capacity=policy.capacity) for worker in self.staff]
        # Whoever helps out is like the first ones, and there all the time.
        self.backup = [
            replace(each, name=f"backup {i}", shifts=ALWAYS)
            for i, each in enumerate(resized(self.staff, policy.backup), 1)
        ]
        self._policy = policy
        self._slowdown = slowdown
        self._turns_away = turns_away
        self._chance = Random(seed)
        self._index = Index()
        self._gauges = defaultdict[str, Gauge](Gauge)
        self._seats = {worker.name: Seat(worker, TEAM) for worker in self.staff}
        self._seats |= {worker.name: Seat(worker, BACKUP) for worker in self.backup}
        self._line: dict[str, InLine] = {}
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
        team = self._line_for(skills)
        if team is None:
            visit.turned_away = True
            return
        visit.overflowed = team == BACKUP
        boost_s = policy.boost_s if policy.boost_s is not None and arrival.boost_s else arrival.boost_s
        waiting = Waiting(key, team, self._now_ms - boost_s * 1000, skills, self._kept_for(arrival, team, skills))
        self._line[key] = InLine(visit, waiting, waiting.lane)
        self._bring(key)
        if key not in self._line:
            return
        if arrival.patience_s != float("inf"):
            self._at(self._now_s + arrival.patience_s, lambda: self._give_up(key))
        if waiting.reserved_for is not None:
            self._at(self._now_s + policy.sticky_s, lambda: self._release([key]))
        if policy.overflow_s is not None:
            self._at(arrival.at_s + policy.overflow_s, lambda: self._overflow([key]))
        if self._line[key].asked is None:
            self._announce(visit, waiting)

    def _line_for(self, skills: Sequence[str]) -> str | None:
        """Return in whose line somebody gets who comes now, as `line_for` in `app/routing/availability.py` does."""
        limit = self._policy.limit
        full = limit is not None and limit <= sum(
            each.asked is None and each.waiting.team == TEAM for each in self._line.values()
        )
        if not full and self._able(TEAM, skills):
            return TEAM
        if self._able(BACKUP, skills):
            return BACKUP
        return None if full or self._turns_away else TEAM

    def _announce(self, visit: Visit, waiting: Waiting) -> None:
        line = self._index.in_line(waiting.lane)
        since = min(self._line[each.id].visit.arrival.at_s for each in line)
        place = next(place for place, each in enumerate(line, 1) if each.id == waiting.id)
        slots = sum(seat.worker.capacity for seat in self._able(waiting.team, waiting.skills))
        visit.announced = self._gauges[waiting.team].announced(waiting.lane, place, slots, since, self._now_s)

    def _gauge_of(self, found: InLine) -> Gauge:
        return self._gauges[found.entered.split("+")[0]]

    def _able(self, team: str, skills: Sequence[str]) -> list[Seat]:
        needed = set(skills)
        return [
            seat
            for seat in self._seats.values()
            if seat.team == team and seat.takes_chats and needed <= set(seat.worker.skills)
        ]

    def _kept_for(self, arrival: Arrival, team: str, skills: Sequence[str]) -> str | None:
        agent = self._had.get(arrival.visitor) if self._policy.sticky_s else None
        return agent if agent is not None and self._seats[agent] in self._able(team, skills) else None

    def _in_line(self, ids: Iterable[str]) -> list[InLine]:
        """Return those of some who wait and are before no agent."""
        return [found for key in ids if (found := self._line.get(key)) is not None and found.asked is None]

    def _bring(self, key: str) -> None:
        waiting = self._line[key].waiting
        self._serve(self._index.arrival(waiting.team, [waiting], self._now_ms), waiting.team)

    def _release(self, ids: Iterable[str]) -> None:
        """They waited long enough for the one agent: anybody may have them, at the same score."""
        for found in self._in_line(ids):
            if found.asked is None and found.waiting.reserved_for is not None:
                found.waiting = replace(found.waiting, reserved_for=None)
                self._bring(found.waiting.id)

    def _ask_again(self, key: str) -> None:
        """Those who declined may have it once more."""
        for found in self._in_line([key]):
            if found.forget_s is not None and found.forget_s <= self._now_s:
                found.waiting, found.forget_s = replace(found.waiting, declined_by=()), None
                self._bring(key)

    def _overflow(self, ids: Iterable[str]) -> None:
        """Whoever of them waited too long goes on waiting in the other team's line, if somebody there can help."""
        for found in self._in_line(ids):
            waiting, after_s = found.waiting, self._policy.overflow_s
            overdue = after_s is not None and found.visit.arrival.at_s + after_s <= self._now_s
            if overdue and found.asked is None and waiting.team == TEAM and self._able(BACKUP, waiting.skills):
                self._index.remove(waiting)
                found.waiting = replace(waiting, team=BACKUP, reserved_for=None)
                found.visit.overflowed = True
                self._bring(waiting.id)

    def _give_up(self, key: str) -> None:
        found = self._line.pop(key, None)
        if found is None:
            return
        found.visit.gave_up_s = self._now_s
        self._gauge_of(found).finished(self._now_s, self._now_s - found.visit.arrival.at_s, None)
        if found.asked is None:
            self._index.remove(found.waiting)
        else:
            found.asked.free(self._now_ms)
            self._refresh(found.asked)

    def _turn(self, seat: Seat, *, there: bool | None = None, away: bool | None = None) -> None:
        """An agent comes or goes."""
        seat.there = seat.there if there is None else there
        seat.away = seat.away if away is None else away
        self._refresh(seat)
        if not seat.takes_chats:
            name = seat.worker.name
            self._release([key for key, each in self._line.items() if each.waiting.reserved_for == name])
        elif seat.team == BACKUP:
            self._overflow(list(self._line))

    def _refresh(self, seat: Seat) -> None:
        """Tell the index an agent's state, as the queue does whenever it changes."""
        self._serve(self._index.slot_freed(seat.candidate(self._policy), self._now_ms), seat.team)

    def _serve(self, pairs: list[Pair], team: str) -> None:
        while pairs:
            for pair in pairs:
                self._offer(self._line[pair.conversation], self._seats[pair.agent])
            pairs = self._index.arrival(team, [], self._now_ms) if len(pairs) == MAX_PAIRS else []

    def _offer(self, found: InLine, seat: Seat) -> None:
        seat.take(self._now_ms)
        found.asked = seat
        answer = answer_of(self._policy, self._chance)
        if answer.after_s:
            self._at(self._now_s + answer.after_s, lambda: self._answer(found, seat, answer))
        else:
            self._answer(found, seat, answer)

    def _answer(self, found: InLine, seat: Seat, answer: Answer) -> None:
        key = found.waiting.id
        if key not in self._line:
            # The visitor left meanwhile.
            return
        seat.missed = seat.missed + 1 if answer.what == "missed" else 0
        if answer.what == "accepted":
            del self._line[key]
            self._begin(found, seat)
            return
        found.asked = None
        before = found.waiting.declined_by
        if found.forget_s is None or found.forget_s <= self._now_s:
            before, found.forget_s = (), self._now_s + DECLINED_S
            self._at(found.forget_s, lambda: self._ask_again(key))
        declined_by = tuple(sorted({*before, seat.worker.name}))
        found.waiting = replace(found.waiting, reserved_for=None, declined_by=declined_by)
        seat.free(self._now_ms)
        # First back in line, then the agent: else whoever came later would be next.
        self._bring(key)
        if seat.missed >= MOST_MISSED:
            seat.missed = 0
            self._turn(seat, away=True)
            self._at(self._now_s + AWAY_S, lambda: self._turn(seat, away=False))
        else:
            self._refresh(seat)
        self._overflow([key])

    def _begin(self, found: InLine, seat: Seat) -> None:
        visit = found.visit
        visit.agent, visit.assigned_s = seat.worker.name, self._now_s
        self._had[visit.arrival.visitor] = seat.worker.name
        self._gauge_of(found).assigned(found.entered, self._now_s)
        length = visit.arrival.handle_s * (1 + self._slowdown * (seat.load - 1))
        self._at(self._now_s + length, lambda: self._end(found, seat))

    def _end(self, found: InLine, seat: Seat) -> None:
        visit = found.visit
        assert visit.assigned_s is not None
        visit.ended_s = self._now_s
        seat.free(self._now_ms)
        waited_s, length_s = visit.assigned_s - visit.arrival.at_s, self._now_s - visit.assigned_s
        self._gauge_of(found).finished(self._now_s, waited_s, length_s)
        self._refresh(seat)
