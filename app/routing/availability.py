"""Who may get conversations now, as Postgres has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clock import to_ms
from app.identity.permissions import May, Role, may
from app.infra.presence import live_sql
from app.routing.assignment import SINCE_MS, Candidate, Place
from app.routing.hours import from_json

ELIGIBLE = f"a.active AND a.accepting AND {live_sql('a.id')}"
"""SQL condition on `agent a`: may be given conversations (capacity apart)."""

RETURNS_S = 8
"""How long somebody who reloads their console still counts as there for those who might get in line."""

TAKES_CHATS = f"a.active AND a.accepting AND ({live_sql('a.id')} OR a.seen_at > now() - interval '{RETURNS_S} seconds')"
"""SQL condition on `agent a`: somebody to wait for. As ELIGIBLE, but a reload of the console does not end it."""

HAS_OF_TEAM = """
(SELECT count(*) FROM conversation h WHERE h.agent_id = a.id AND h.team_id = t.id AND h.state IN ('offered', 'active'))
"""
"""SQL: how many conversations of `team t` an `agent a` has."""

MAY_HAVE = f"""
a.load < a.capacity AND t.strategy <> 'manual' AND a.skills @> c.skills
AND (c.reserved_for IS NULL OR c.reserved_for = a.id) AND NOT a.id = ANY (c.declined)
AND (t.share IS NULL OR {HAS_OF_TEAM} < t.share)
"""
"""SQL condition: `conversation c` of `team t` may be put before an eligible `agent a` now."""

_CANDIDATES = f"""
SELECT a.id, a.load, CASE WHEN {ELIGIBLE} THEN a.capacity ELSE 0 END AS capacity, a.rev, a.last_assigned_at,
       a.freed_at, a.skills,
       (SELECT json_agg(json_build_array(t.id, t.strategy,
                                         CASE WHEN t.share IS NOT NULL THEN greatest(t.share - {HAS_OF_TEAM}, 0) END)
                        ORDER BY t.id)
        FROM team_member tm JOIN team t ON t.id = tm.team_id WHERE tm.agent_id = a.id) AS places
FROM agent a
"""
_ONE = text(_CANDIDATES + "WHERE a.id = :agent")
_ALL = text(_CANDIDATES + "WHERE a.active")
_TEAM = text(
    f"""
SELECT t.hours, t.overflow_team_id,
       t.queue_limit IS NOT NULL AND t.queue_limit <= (
           SELECT count(*) FROM conversation c WHERE c.team_id = t.id AND c.state = 'waiting'
       ) AS is_full,
       EXISTS (
           SELECT 1 FROM team_member tm JOIN agent a ON a.id = tm.agent_id
           WHERE tm.team_id = t.id AND a.skills @> CAST(:skills AS text[]) AND {TAKES_CHATS}
       ) AS staffed
FROM team t WHERE t.id = :team
"""
)
_CHOICES = text("SELECT id FROM team WHERE choice_after_s IS NOT NULL")
_WAITED = text(
    """
SELECT c.id FROM conversation c JOIN team t ON t.id = c.team_id
WHERE c.id = ANY (:ids) AND c.state IN ('waiting', 'offered')
  AND c.queued_at <= CAST(:now AS timestamptz) - make_interval(secs => t.choice_after_s)
"""
)
_COME_TO = text("SELECT id FROM team WHERE id = ANY (:teams) OR overflow_team_id = ANY (:teams)")
_HOURS = text("SELECT id, hours FROM team WHERE hours IS NOT NULL")
_ME = text(
    """
SELECT a.id, a.name, a.role, a.accepting, a.load, a.capacity, a.note,
       (SELECT json_agg(json_build_object('id', t.id, 'name', t.name) ORDER BY t.name)
        FROM team t JOIN team_member tm ON tm.team_id = t.id WHERE tm.agent_id = a.id) AS teams
FROM agent a WHERE a.id = :agent
"""
)


async def candidate(session: AsyncSession, agent_id: UUID) -> Candidate | None:
    """Return an agent as the index should know them, or None for an unknown one."""
    row = (await session.execute(_ONE, {"agent": agent_id})).one_or_none()
    return _candidate(row) if row else None


async def candidates(session: AsyncSession) -> list[Candidate]:
    """Return every agent, for a rebuild of the index."""
    return [_candidate(row) for row in await session.execute(_ALL)]


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether visitors may get in line for a team.

    Attributes:
        now: it is open, and somebody takes chats, with room or not.
        opens_at: when it opens next, in ms; None while it is open, and when no opening is in sight.
        full: it is open and somebody takes chats, but as many wait as may.
    """

    now: bool
    opens_at: int | None
    full: bool = False


async def availability(session: AsyncSession, team_id: UUID, now: datetime, skills: Sequence[str] = ()) -> Availability:
    """Return whether visitors may get in a team's line, or in that of the team it overflows to.

    Args:
        skills: what somebody there must be able to do.
    """
    return (await line_for(session, team_id, now, skills))[1]


async def takes(session: AsyncSession, team_id: UUID, now: datetime, skills: Sequence[str] = ()) -> bool:
    """Tell whether visitors may get in a team's own line, wherever it overflows to."""
    return (await _alone(session, team_id, now, skills))[0].now


async def line_for(
    session: AsyncSession, team_id: UUID, now: datetime, skills: Sequence[str] = ()
) -> tuple[UUID, Availability]:
    """Return in which team's line a visitor who comes to a team gets, and whether they may.

    When nobody is there, or too many wait, it is the line of the team that it overflows to, if they may get in there.
    """
    known, overflow_id = await _alone(session, team_id, now, skills)
    if not known.now and overflow_id is not None:
        elsewhere, _ = await _alone(session, overflow_id, now, skills)
        if elsewhere.now:
            return overflow_id, elsewhere
    return team_id, known


async def _alone(
    session: AsyncSession, team_id: UUID, now: datetime, skills: Sequence[str]
) -> tuple[Availability, UUID | None]:
    """Return a team's own availability, and where it overflows to."""
    row = (await session.execute(_TEAM, {"team": team_id, "skills": list(skills)})).one()
    opening = from_json(row.hours) if row.hours is not None else None
    opens_at = opening.opens_at(now) if opening else None
    there = row.staffed and (opening is None or opening.takes(now))
    here = Availability(there and not row.is_full, to_ms(opens_at) if opens_at else None, there and row.is_full)
    return here, row.overflow_team_id


async def whose_visitors_come_to(session: AsyncSession, team_ids: Sequence[UUID]) -> list[UUID]:
    """Return some teams and those that overflow to them: their visitors hear when one of these comes or goes."""
    return list(await session.scalars(_COME_TO, {"teams": list(team_ids)}))


async def open_teams(session: AsyncSession, now: datetime) -> dict[UUID, bool]:
    """Return for each team that has hours whether it takes visitors by them."""
    return {team_id: from_json(hours).takes(now) for team_id, hours in await session.execute(_HOURS)}


async def teams_with_choice(session: AsyncSession) -> list[UUID]:
    """Return the teams whose visitors are asked, after a while, whether they would rather leave a message."""
    return list(await session.scalars(_CHOICES))


async def waited_enough(session: AsyncSession, conversation_ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Return which of these conversations have waited so long that their visitor should be asked."""
    return set(await session.scalars(_WAITED, {"ids": list(conversation_ids), "now": now}))


@dataclass(frozen=True, slots=True)
class Status:
    """An agent's own status, and their teams, as their console shows it."""

    me: dict[str, object]
    teams: list[dict[str, str]]

    @property
    def steers(self) -> bool:
        """Whether they may take over chats of others, and say who gets a waiting one."""
        return may(Role(str(self.me["role"])), May.STEER_CHATS)

    @property
    def team_ids(self) -> list[UUID]:
        return [UUID(team["id"]) for team in self.teams]


async def status_of(session: AsyncSession, agent_id: UUID) -> Status:
    """Return an agent's status and teams."""
    row = (await session.execute(_ME, {"agent": agent_id})).one()
    return Status(
        {
            "id": str(row.id),
            "name": row.name,
            "role": row.role,
            "accept": row.accepting,
            "load": row.load,
            "capacity": row.capacity,
            "note": row.note,
        },
        row.teams or [],
    )


async def set_accepting(session: AsyncSession, agent_id: UUID, accepting: bool) -> None:
    """Turn new chats on or off for an agent. Turning them on forgets an earlier missed offer."""
    await session.execute(
        text(
            "UPDATE agent SET accepting = :on, rev = rev + 1, note = CASE WHEN :on THEN NULL ELSE note END, missed = 0 "
            "WHERE id = :agent"
        ),
        {"agent": agent_id, "on": accepting},
    )


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(
        id=str(row.id),
        load=row.load,
        capacity=row.capacity,
        last_ms=to_ms(row.last_assigned_at) if row.last_assigned_at else SINCE_MS,
        places=tuple(Place(*place) for place in row.places or ()),
        rev=row.rev,
        free_ms=to_ms(row.freed_at) if row.freed_at else SINCE_MS,
        skills=tuple(sorted(row.skills)),
    )
