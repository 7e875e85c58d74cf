"""What the invariants are judged by: the ledger up to one tick, and the database read after that tick."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from app.infra.database import asyncpg_url
from tests.chaos.house import House
from tests.chaos.ledger import Applied, Frame, Ledger, Reading, Sent
from tests.chaos.scene import Scene

LANES = ("public", "internal")
_HEADS = """
    SELECT id::text, visitor_id::text, state, agent_id::text, gen, team_id::text, public_seq, internal_seq, episode,
           (SELECT count(*) FROM stint s JOIN episode e ON e.id = s.episode_id
            WHERE e.conversation_id = conversation.id AND s.ended_at IS NULL) AS open_stints,
           (SELECT count(*) FROM episode e WHERE e.conversation_id = conversation.id AND e.closed_at IS NULL)
               AS open_episodes
    FROM conversation WHERE visitor_id = ANY ($1)
"""
_ROWS = """
    SELECT m.conversation_id::text AS c, m.lane, m.seq, m.m::text, m.kind, m.sender_kind, m.sender_id::text,
           m.body ->> 'text' AS text
    FROM message m JOIN conversation c ON c.id = m.conversation_id WHERE c.visitor_id = ANY ($1)
"""
_TEAMS = """
    SELECT t.id, t.mode, t.strategy, t.share, t.overflow_team_id, t.overflow_after_s,
           ARRAY(SELECT agent_id FROM team_member tm WHERE tm.team_id = t.id) AS members
    FROM team t WHERE t.id = ANY ($1)
"""
_SITES = "SELECT id, team_id, skills FROM site WHERE id = ANY ($1)"
_SKILLS = "SELECT id, skills FROM agent WHERE id = ANY ($1)"
_AUDIT = """
    SELECT a.*, a.conversation::text AS c, a.agent::text AS who FROM chaos_audit a
    WHERE a.conversation IN (SELECT id FROM conversation WHERE visitor_id = ANY ($1))
       OR (a.conversation IS NULL AND a.agent = ANY ($2))
    ORDER BY a.id
"""


@dataclass(slots=True, frozen=True)
class Outage:
    """A time in which a server was certainly away: what was first sent in it came too late for it.

    Attributes:
        server: `postgres` or `redis`.
        beside: all faults of that time.
        from_tick, to_tick: of the ledger: after it was seen to be gone, before it was started again.
        to_at: when that was (monotonic seconds).
    """

    server: str
    fault: str
    beside: str
    from_tick: int
    to_tick: int
    to_at: float


@dataclass(slots=True, frozen=True)
class Turn:
    """What one transaction did to a conversation.

    Attributes:
        at: its end.
        was, line: the conversation before and after.
        of_team: how many of this conversation's team its agent has then.
    """

    c: str
    at: datetime
    was: Frame
    line: Frame
    of_team: int

    @property
    def moved(self) -> tuple[str, str]:
        """The states before and after."""
        return self.was["state"], self.line["state"]

    @property
    def is_queues(self) -> bool:
        """Whether the queue put it before an agent."""
        return self.moved == ("waiting", "offered")

    @property
    def is_passed(self) -> bool:
        """Whether its agent passed it on."""
        return self.was["state"] == "active" and self.line["passed_by"] is not None


@dataclass(slots=True)
class Evidence:
    """All that a judge may look at.

    Attributes:
        tick: what happened in the ledger later is not judged yet.
        heads, rows, audit: of this round's conversations; heads and rows are of one moment.
        not_returned: what was passed on, and not given back although it could have been.
        teams, sites, skills: how they are set, by id; what each agent can do.
        crowding: the most that the machine has been crowded by others in this round, see `crowding`.
        final: everybody has fallen silent and caught up: what must be so in the end may be judged too.
        found: what watchers found while it ran: (invariant, words).
    """

    ledger: Ledger
    tick: int
    heads: dict[str, Frame]
    rows: list[Frame]
    audit: list[Frame]
    went_back: list[str]
    outages: list[Outage]
    crowding: float
    final: bool
    found: list[tuple[str, str]] = field(default_factory=list)
    not_returned: list[str] = field(default_factory=list)
    teams: dict[UUID, Frame] = field(default_factory=dict)
    sites: dict[UUID, Frame] = field(default_factory=dict)
    skills: dict[UUID, set[str]] = field(default_factory=dict)

    def acknowledged(self) -> list[Sent]:
        """Return the messages whose acknowledgement is to be judged."""
        return [s for s in self.ledger.sends.values() if s.outcome == "ok" and s.acked_tick <= self.tick]

    def applied(self) -> list[tuple[Reading, Applied]]:
        """Return the events whose reception is to be judged."""
        return [(r, a) for r in self.ledger.readings for a in r.events if a.tick <= self.tick]

    def by_place(self) -> dict[tuple[str, str, int], Frame]:
        """Return the rows by conversation, lane and number."""
        return {(row["c"], LANES[row["lane"]], row["seq"]): row for row in self.rows}

    def by_key(self) -> dict[tuple[str, str, str], list[Frame]]:
        """Return what people wrote, by conversation, sender and message id."""
        found: defaultdict[tuple[str, str, str], list[Frame]] = defaultdict(list)
        for row in self.rows:
            if row["sender_kind"] != "system":
                found[row["c"], row["sender_id"], row["m"]].append(row)
        return found

    def commits(self) -> list[Frame]:
        """Return the audit's rows of conversations, the last of each transaction, in the order of the commits.

        A transaction that only forgets who passed a chat on changes nothing that commands or owners are about.
        """
        before, last = self._before(), dict[tuple[Any, Any], Frame]()
        for row in self.audit:
            if row["c"] is not None:
                last.pop((row["c"], row["xid"]), None)
                last[row["c"], row["xid"]] = row
        return [row for key, row in last.items() if _fenced(before[key]) != _fenced(row["line"])]

    def turns(self) -> list[Turn]:
        """Return what became of conversations, transaction by transaction, in the order of the commits."""
        before = self._before()
        return [
            Turn(row["c"], row["at"], was, row["line"], row["of_team"])
            for row in self.commits()
            if (was := before[row["c"], row["xid"]]) is not None
        ]

    def _before(self) -> dict[tuple[Any, Any], Frame | None]:
        """Return the conversations before each transaction; None: it made them."""
        before: dict[tuple[Any, Any], Frame | None] = {}
        for row in self.audit:
            if row["c"] is not None:
                before.setdefault((row["c"], row["xid"]), row["was"])
        return before


def _fenced(line: Frame | None) -> tuple[Any, ...] | None:
    return (line["gen"], line["state"], line["agent_id"]) if line is not None else None


async def gather(
    house: House,
    scene: Scene,
    outages: list[Outage],
    found: list[tuple[str, str]],
    *,
    crowding: float,
    final: bool,
) -> Evidence:
    """Read what there is to be judged by."""
    tick = scene.ledger.tick()
    connection = await asyncpg.connect(asyncpg_url(house.embedded.database_url))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            heads = {row["id"]: dict(row) for row in await connection.fetch(_HEADS, scene.visitor_ids)}
            rows = [dict(row) for row in await connection.fetch(_ROWS, scene.visitor_ids)]
            audit = [dict(row) for row in await connection.fetch(_AUDIT, scene.visitor_ids, scene.agent_ids)]
            back = [row["words"] for row in await connection.fetch("SELECT words FROM chaos_went_back")]
            kept = [row["words"] for row in await connection.fetch("SELECT words FROM chaos_not_returned")]
            teams = {row["id"]: dict(row) for row in await connection.fetch(_TEAMS, scene.team_ids)}
            sites = {row["id"]: dict(row) for row in await connection.fetch(_SITES, scene.site_ids)}
            skills = {row["id"]: set(row["skills"]) for row in await connection.fetch(_SKILLS, scene.agent_ids)}
    finally:
        await connection.close()
    return Evidence(
        scene.ledger, tick, heads, rows, audit, back, outages, crowding, final, found, kept, teams, sites, skills
    )
