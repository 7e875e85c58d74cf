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
        room_s: for how long there had been room for somebody when they were given to an agent.
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
    line = Line(room_s=_beside_room(audit, commits, teams))
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


def _beside_room(audit: list[Frame], commits: list[Frame], teams: dict[Any, Any]) -> list[float]:
    """Return for each assignment how long there had been room for that visitor, whatever an agent did meanwhile.

    There is room for whoever would get it if all that is free were given to those who wait, first come first served.
    """
    last = {id(row) for row in commits}
    found: list[float] = []
    waiting: defaultdict[Any, dict[str, Frame]] = defaultdict(dict)
    team_of: dict[str, Any] = {}
    since: dict[str, datetime] = {}
    # Who has not had anybody yet is free.
    free = {row["agent"]: row["capacity"] for row in reversed(audit) if row["c"] is None}
    for rows in _by_commit(audit):
        now = rows[-1]["at"]
        for row in rows:
            if row["c"] is None:
                free[row["agent"]] = row["capacity"] - row["load"] if row["accepting"] else 0
            elif id(row) in last:
                waiting[team_of.get(row["c"])].pop(row["c"], None)
                team_of[row["c"]] = row["team"]
                if row["state"] == "waiting":
                    waiting[row["team"]][row["c"]] = row
                elif row["c"] in since and row["agent"] is not None:
                    found.append((now - since[row["c"]]).total_seconds())
        served = {
            c
            for team, theirs in waiting.items()
            for c in _first_served(
                theirs, {agent: n for agent, n in free.items() if n > 0 and teams.get(agent) == team}
            )
        }
        since = {c: since.get(c, now) for c in served}
    return found


def _by_commit(audit: list[Frame]) -> list[list[Frame]]:
    """Return the rows of each transaction together, in the order in which they ended."""
    together: dict[Any, list[Frame]] = {}
    for row in audit:
        together[row["xid"]] = [*together.pop(row["xid"], []), row]
    return list(together.values())


def _first_served(waiting: dict[str, Frame], room: dict[Any, int]) -> list[str]:
    served: list[str] = []
    for row in sorted(waiting.values(), key=lambda row: (row["score"], row["c"])):
        if not room:
            break
        agent = next((agent for agent in room if _may_have(agent, row)), None)
        if agent is not None:
            served.append(row["c"])
            room[agent] -= 1
            if not room[agent]:
                del room[agent]
    return served


def _may_have(agent: Any, waiting: Frame) -> bool:
    return agent not in waiting["declined"] and waiting["reserved"] in (None, agent)
