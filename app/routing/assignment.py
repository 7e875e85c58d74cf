"""The rules of the queue. Pure: the Lua scripts are checked against this module, and `deskbell simulate` runs it.

A lane is a team and the skills that a conversation needs; it is ordered by score, then id. Whoever waits longest in any
of the lanes at hand comes first, if there is an agent for them. Which agent is the team's strategy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

SINCE_MS = 1_577_836_800_000
MAX_PAIRS = 64

Strategy = Literal["least_busy", "round_robin", "longest_idle", "manual"]


@dataclass(frozen=True, slots=True)
class Place:
    """An agent's place in a team.

    Attributes:
        room: how many more conversations of this team they may have; None when only their capacity counts.
    """

    team: str
    strategy: Strategy = "least_busy"
    room: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent as the index knows them.

    Attributes:
        load: conversations offered to or active with them.
        capacity: most conversations at once; 0 when they may get nothing now.
        last_ms: when they last got one.
        free_ms: when one of theirs last ended.
        places: the teams whose lanes they serve.
        skills: what they can do, in order.
    """

    id: str
    load: int
    capacity: int
    last_ms: int
    places: tuple[Place, ...]
    rev: int = 0
    free_ms: int = SINCE_MS
    skills: tuple[str, ...] = ()

    def place_in(self, team: str) -> Place | None:
        """Return their place in a team if they have room for its conversations and are given them."""
        if self.load >= self.capacity:
            return None
        found = (place for place in self.places if place.team == team)
        return next((each for each in found if each.strategy != "manual" and each.room != 0), None)

    def score(self, strategy: Strategy) -> float:
        """Return what the strategy goes by; the smallest is chosen.

        least_busy: load ÷ capacity in thousandths, then the longest since their last one. round_robin: the longest
        since their last one. longest_idle: the longest since one of theirs began or ended.
        """
        since = max(0, self.last_ms - SINCE_MS)
        if strategy == "longest_idle":
            return max(since, self.free_ms - SINCE_MS)
        return since if strategy == "round_robin" else self.load * 1000 // self.capacity * 1e12 + since


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation in line.

    Attributes:
        score: the moment of its coming, in ms, less the boost of its priority; the same for its whole life.
        skills: what its agent must be able to do, in order.
        reserved_for: the one agent who may have it for now.
        declined_by: agents who may not have it for now, in order.
    """

    id: str
    team: str
    score: int
    skills: tuple[str, ...] = ()
    reserved_for: str | None = None
    declined_by: tuple[str, ...] = ()

    @property
    def lane(self) -> str:
        return lane_of(self.team, self.skills)

    @property
    def rule(self) -> str:
        """Who may have it, as the index keeps it: "=agent", "!agent,agent", or nothing for everybody of its lane."""
        if self.reserved_for is not None:
            return f"={self.reserved_for}"
        return f"!{','.join(self.declined_by)}" if self.declined_by else ""

    def may_go_to(self, agent: Candidate) -> bool:
        """Tell whether an agent can do what it needs and may have it."""
        if not set(self.skills) <= set(agent.skills):
            return False
        return agent.id == self.reserved_for if self.reserved_for is not None else agent.id not in self.declined_by


@dataclass(frozen=True, slots=True)
class Pair:
    """A conversation and the agent it should be offered to."""

    conversation: str
    agent: str
    lane: str
    score: int


def lane_of(team: str, skills: Iterable[str]) -> str:
    """Return a lane's name: the team and the skills, by plus signs."""
    return "+".join((team, *sorted(skills)))


@dataclass(slots=True)
class Index:
    """What the Redis index holds, and the two moves on it.

    After either move no agent with room coexists with a conversation that they may have (but for the bound of MAX_PAIRS
    a call).
    """

    lanes: dict[str, dict[str, Waiting]] = field(default_factory=dict[str, dict[str, Waiting]])
    agents: dict[str, Candidate] = field(default_factory=dict[str, Candidate])

    def arrival(self, team: str, waiting: Iterable[Waiting], now_ms: int) -> list[Pair]:
        """Conversations wait in a team's lanes. One that waits there already keeps its score; who may have it is news.

        Args:
            waiting: conversations of that team; none at all looks at all its lanes.
        """
        lanes: list[str] = []
        for each in waiting:
            lane = self.lanes.setdefault(each.lane, {})
            known = lane.get(each.id, each)
            lane[each.id] = replace(each, score=known.score)
            lanes.append(each.lane)
        return self._drain(dict.fromkeys(lanes) or self._lanes_of(team), now_ms)

    def slot_freed(self, agent: Candidate, now_ms: int) -> list[Pair]:
        """An agent's state replaces what was known, unless it is older."""
        known = self.agents.get(agent.id)
        if known is not None and known.rev > agent.rev:
            return []
        self.agents[agent.id] = agent
        theirs = (lane for place in agent.places for lane in self._lanes_of(place.team))
        return self._drain((lane for lane in theirs if set(lane.split("+")[1:]) <= set(agent.skills)), now_ms)

    def remove(self, waiting: Waiting) -> None:
        """A conversation waits no more."""
        self.lanes.get(waiting.lane, {}).pop(waiting.id, None)

    def in_line(self, lane: str) -> list[Waiting]:
        """Return who waits in a lane, in order."""
        return sorted(self.lanes.get(lane, {}).values(), key=_order)

    def choose_agent(self, waiting: Waiting) -> Candidate | None:
        """Return who should get a conversation."""
        found = [
            (agent.score(place.strategy), agent.id)
            for agent in self.agents.values()
            if (place := agent.place_in(waiting.team)) and waiting.may_go_to(agent)
        ]
        return self.agents[min(found)[1]] if found else None

    def next_pair(self, lane: str) -> tuple[Waiting, Candidate] | None:
        """Return the first in a lane for whom there is an agent, and the agent."""
        for waiting in self.in_line(lane):
            agent = self.choose_agent(waiting)
            if agent is not None:
                return waiting, agent
            if not waiting.rule:
                # Nobody has room for just anybody of this lane.
                return None
        return None

    def _lanes_of(self, team: str) -> Iterator[str]:
        return (lane for lane in list(self.lanes) if lane == team or lane.startswith(f"{team}+"))

    def _drain(self, lanes: Iterable[str], now_ms: int) -> list[Pair]:
        lanes, pairs = list(lanes), list[Pair]()
        while len(pairs) < MAX_PAIRS:
            found = [pair for lane in lanes if (pair := self.next_pair(lane))]
            if not found:
                break
            waiting, agent = min(found, key=lambda pair: _order(pair[0]))
            self.remove(waiting)
            places = tuple(
                replace(place, room=place.room - 1) if place.team == waiting.team and place.room else place
                for place in agent.places
            )
            self.agents[agent.id] = replace(agent, load=agent.load + 1, last_ms=now_ms, places=places)
            pairs.append(Pair(waiting.id, agent.id, waiting.lane, waiting.score))
        return pairs


def _order(waiting: Waiting) -> tuple[int, str]:
    return waiting.score, waiting.id
