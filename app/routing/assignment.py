"""The rules of the queue. Pure: the Lua scripts are checked against this module.

A team's queue is ordered by score, then id. The agent with the smallest load ÷ capacity comes first, then the one whose
last assignment is longest ago, then the smaller id.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

SINCE_MS = 1_577_836_800_000
MAX_PAIRS = 64


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent as the index knows them.

    Attributes:
        load: conversations offered to or active with them.
        capacity: most conversations at once; 0 when they may get nothing now.
        last_ms: when they last got one.
        teams: the teams whose queues they serve.
    """

    id: str
    load: int
    capacity: int
    last_ms: int
    teams: tuple[str, ...]
    rev: int = 0

    @property
    def has_room(self) -> bool:
        return self.load < self.capacity

    @property
    def least_busy(self) -> float:
        """The strategy's score; the smallest is chosen."""
        return self.load * 1000 // self.capacity * 1e12 + max(0, self.last_ms - SINCE_MS)


@dataclass(frozen=True, slots=True)
class Pair:
    """A conversation and the agent it should be offered to."""

    conversation: str
    agent: str
    team: str
    score: int


@dataclass(slots=True)
class Index:
    """What the Redis index holds, and the two moves on it.

    After either move no agent with room coexists with a waiting conversation of one of their teams (but for the
    bound of MAX_PAIRS a call).
    """

    queues: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    agents: dict[str, Candidate] = field(default_factory=dict[str, Candidate])

    def arrival(self, team: str, conversation: str, score: int, now_ms: int) -> list[Pair]:
        """A conversation waits in a team's queue."""
        self.queues.setdefault(team, {}).setdefault(conversation, score)
        return self._drain((team,), now_ms)

    def slot_freed(self, agent: Candidate, now_ms: int) -> list[Pair]:
        """An agent's state replaces what was known, unless it is older."""
        known = self.agents.get(agent.id)
        if known is not None and known.rev > agent.rev:
            return []
        self.agents[agent.id] = agent
        return self._drain(agent.teams, now_ms)

    def next_waiting(self, team: str) -> tuple[str, int] | None:
        """Return the head of a team's queue and its score."""
        queue = self.queues.get(team)
        return min(queue.items(), key=lambda item: (item[1], item[0])) if queue else None

    def choose_agent(self, team: str) -> Candidate | None:
        """Return who should get the next conversation of a team."""
        free = [a for a in self.agents.values() if team in a.teams and a.has_room]
        return min(free, key=lambda a: (a.least_busy, a.id)) if free else None

    def _drain(self, teams: tuple[str, ...], now_ms: int) -> list[Pair]:
        pairs: list[Pair] = []
        while len(pairs) < MAX_PAIRS:
            best: tuple[int, str, str, Candidate] | None = None
            for team in teams:
                head, agent = self.next_waiting(team), self.choose_agent(team)
                if head and agent and (best is None or head[1] < best[0]):
                    best = (head[1], head[0], team, agent)
            if best is None:
                break
            score, conversation, team, agent = best
            del self.queues[team][conversation]
            self.agents[agent.id] = replace(agent, load=agent.load + 1, last_ms=now_ms)
            pairs.append(Pair(conversation, agent.id, team, score))
        return pairs
