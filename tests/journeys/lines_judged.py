"""Whether anybody was passed in line, judged by the order of the commits and of what the index did; no clock decides.

An agent is proposed whoever is first in the index at that moment, and Postgres decides. So whoever waits in Postgres
and is passed must be out of the index for a reason: their commit has yet to be brought there (`coming`), or they were
taken out themselves and their own offer is being written, or was refused and they are on their way back (`asked`).
Whoever stands in the index, may be had by that agent, and is passed all the same, is passed against the rules.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.ledger import Frame
from tests.journeys.index_log import Step


@dataclass
class Line:
    """What was found.

    Attributes:
        offers: proposals that Postgres accepted.
        passed: how often somebody was passed, by reason: `coming`, `asked`, `declined` (that agent may not have them).
        against_rules: in words, those for whom there is no reason.
        stays: how often somebody was passed in one stay out of the index, by them and its beginning.
        out_s: how long each one who was passed had been out of the index by then.
        room_s: from the end of a conversation, while somebody waited, to the agent's next one.
    """

    offers: int = 0
    passed: Counter[str] = field(default_factory=Counter[str])
    against_rules: list[str] = field(default_factory=list[str])
    stays: Counter[tuple[str, datetime]] = field(default_factory=Counter[tuple[str, datetime]])
    out_s: list[float] = field(default_factory=list[float])
    room_s: list[float] = field(default_factory=list[float])


@dataclass(frozen=True, slots=True)
class _Wait:
    """Somebody waits from one commit to the next of the same conversation."""

    row: Frame
    until: datetime

    @property
    def place(self) -> tuple[int, str]:
        return self.row["score"], self.row["c"]


def judge_lines(audit: list[Frame], commits: list[Frame], teams: dict[Any, Any], steps: Sequence[Step]) -> Line:
    """Judge a race.

    Args:
        audit: all rows, in the order of the commits.
        commits: those of conversations, the last of each transaction.
        teams: the team of each agent.
        steps: what the index did.
    """
    line = Line(room_s=_rooms(audit, commits, teams))
    moves: defaultdict[str, list[tuple[datetime, Step]]] = defaultdict(list)
    for step in steps:
        moves[step.conversation].append((step.at, step))
    waits: defaultdict[Any, list[_Wait]] = defaultdict(list)
    newest: dict[str, Frame] = {}
    offers: list[Frame] = []
    for row in commits:
        before = newest.get(row["c"])
        if before is not None and before["state"] == "waiting":
            waits[before["team"]].append(_Wait(before, row["at"]))
            if row["state"] == "offered":
                offers.append(row)
        newest[row["c"]] = row
    for row in offers:
        proposal = _proposal(moves[row["c"]], row)
        if proposal is None:
            # A person said who gets it.
            continue
        line.offers += 1
        for other in waits[row["team"]]:
            if other.place < (row["score"], row["c"]) and other.row["at"] < proposal.at < other.until:
                _judge(line, row, proposal, other, moves[other.row["c"]])
    return line


def _proposal(moves: list[tuple[datetime, Step]], row: Frame) -> Step | None:
    """Return when the index proposed what a transaction then offered."""
    found = (step for at, step in reversed(moves) if at <= row["began"] and step.agent == str(row["agent"]))
    return next(found, None)


def _judge(line: Line, row: Frame, proposal: Step, other: _Wait, moves: list[tuple[datetime, Step]]) -> None:
    waiting, agent = other.row, row["agent"]
    if not _may_have(agent, waiting):
        line.passed["declined"] += 1
        return
    at = bisect_right(moves, proposal.at, key=lambda move: move[0])
    last = moves[at - 1][1] if at else None
    if last is not None and last.what == "in":
        line.against_rules.append(
            f"{row['c']} was given to {agent}, although {waiting['c']} came before and was in line since {last.at}"
        )
        return
    coming = last is None or last.at < waiting["at"]
    out_since = waiting["at"] if last is None or coming else last.at
    line.passed["coming" if coming else "asked"] += 1
    line.stays[waiting["c"], out_since] += 1
    line.out_s.append((proposal.at - out_since).total_seconds())


def _rooms(audit: list[Frame], commits: list[Frame], teams: dict[Any, Any]) -> list[float]:
    """Return how long room was there before it was taken, each time that somebody waited whom the agent may have."""
    last = {id(row) for row in commits}
    found: list[float] = []
    waiting: defaultdict[Any, dict[str, Frame]] = defaultdict(dict)
    team_of: dict[str, Any] = {}
    had: dict[Any, int] = {}
    room: defaultdict[Any, list[datetime]] = defaultdict(list)
    for row in audit:
        if row["c"] is None:
            team, agent = teams.get(row["agent"]), row["agent"]
            free = row["capacity"] - row["load"] if row["accepting"] else 0
            more, had[agent] = free - had.get(agent, row["capacity"]), free
            if not row["accepting"]:
                room[agent].clear()
            elif more > 0:
                room[agent] += [row["at"]] * (more if _may_have_one(agent, waiting[team]) else 0)
            else:
                # One transaction may take more than one.
                taken, room[agent] = room[agent][:-more], room[agent][-more:]
                found += [(row["at"] - since).total_seconds() for since in taken]
        elif id(row) in last:
            left = team_of.get(row["c"])
            waiting[left].pop(row["c"], None)
            team_of[row["c"]] = row["team"]
            if row["state"] == "waiting":
                waiting[row["team"]][row["c"]] = row
            for agent in [a for a in room if teams.get(a) == left and not _may_have_one(a, waiting[left])]:
                room[agent].clear()
    return found


def _may_have_one(agent: Any, waiting: dict[str, Frame]) -> bool:
    return any(_may_have(agent, row) for row in waiting.values())


def _may_have(agent: Any, waiting: Frame) -> bool:
    return agent not in waiting["declined"] and waiting["reserved"] in (None, agent)
