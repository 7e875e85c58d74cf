"""Why this agent? What is kept with each offer, for whoever asks later."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import Conversation
from app.clock import to_ms
from app.identity.models import Team
from app.infra.presence import live_sql
from app.routing.assignment import SINCE_MS, Candidate, Place, Waiting
from app.routing.availability import HAS_OF_TEAM
from app.routing.index_rows import waiting_of

MOST_NAMED = 12
"""Agents named in a reason; the others are counted."""

_MEMBERS = text(
    f"""
SELECT a.id, a.name, a.load, a.capacity, a.last_assigned_at, a.freed_at, a.skills, a.accepting,
       {live_sql("a.id")} AS here, CASE WHEN t.share IS NOT NULL THEN t.share - {HAS_OF_TEAM} END AS room
FROM team t JOIN team_member tm ON tm.team_id = t.id JOIN agent a ON a.id = tm.agent_id AND a.active
WHERE t.id = :team
"""
)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    candidate: Candidate
    here: bool
    accepting: bool


class Reasons:
    """Explains the claims of one transaction: each team's agents are read once, and counted on from there."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._teams: dict[UUID, dict[str, _Member]] = {}

    async def of(
        self, conversation: Conversation, team: Team, agent_id: UUID, now: datetime, took_ms: float
    ) -> dict[str, Any]:
        """Return who could have got a conversation, in the order of the strategy, and what ruled the others out.

        Args:
            conversation: as it was while it waited.
            agent_id: who gets it; from now on they have one more.
            took_ms: how long it took to propose the pair.

        Returns:
            `strategy`, `skills`, `reserved` (they were served by this agent before), `waited_ms`, `took_ms`; `agents`,
            each with `id`, `name`, `load`, `capacity`, `score` (the smallest is first) or `out`: offline, away,
            skills, declined, reserved, full or share; `others`, how many more there were, by the same words.
        """
        members = await self._members(team)
        waiting = waiting_of(conversation)
        free: list[dict[str, Any]] = []
        out: list[dict[str, Any]] = []
        for member in members.values():
            agent = member.candidate
            shown = {"id": agent.id, "name": member.name, "load": agent.load, "capacity": agent.capacity}
            why = _ruled_out(member, waiting)
            if why is None:
                free.append({**shown, "score": agent.score(agent.places[0].strategy)})
            else:
                out.append({**shown, "out": why})
        free.sort(key=lambda agent: (agent["score"], agent["id"]))
        out.sort(key=lambda agent: (agent["out"], agent["name"]))
        rest = Counter(agent["out"] for agent in out[max(0, MOST_NAMED - len(free)) :])
        rest.update("more" for _ in free[MOST_NAMED:])
        self._count(members, str(agent_id), now)
        return {
            "strategy": team.strategy,
            "skills": list(conversation.skills),
            "reserved": conversation.reserved_for is not None,
            "waited_ms": max(0, round((now - conversation.queued_at).total_seconds() * 1000)),
            "took_ms": round(took_ms, 1),
            "agents": [*free, *out][:MOST_NAMED],
            "others": dict(rest),
        }

    async def read(self, team: Team) -> None:
        """Look at a team's agents before any of them is given something."""
        await self._members(team)

    async def _members(self, team: Team) -> dict[str, _Member]:
        known = self._teams.get(team.id)
        if known is None:
            rows = await self._session.execute(_MEMBERS, {"team": team.id})
            known = self._teams[team.id] = {
                str(row.id): _Member(
                    row.name,
                    Candidate(
                        str(row.id),
                        row.load,
                        row.capacity,
                        to_ms(row.last_assigned_at) if row.last_assigned_at else SINCE_MS,
                        (Place(str(team.id), team.strategy, row.room),),  # pyright: ignore[reportArgumentType]
                        free_ms=to_ms(row.freed_at) if row.freed_at else SINCE_MS,
                        skills=tuple(row.skills),
                    ),
                    row.here,
                    row.accepting,
                )
                for row in rows
            }
        return known

    def _count(self, members: dict[str, _Member], agent_id: str, now: datetime) -> None:
        """The agent has one more now, in every team of theirs that is known."""
        for others in self._teams.values():
            member = others.get(agent_id)
            if member is not None:
                agent = member.candidate
                (place,) = agent.places
                if others is members and place.room is not None:
                    place = replace(place, room=place.room - 1)
                taken = replace(agent, load=agent.load + 1, last_ms=to_ms(now), places=(place,))
                others[agent_id] = replace(member, candidate=taken)


def _ruled_out(member: _Member, waiting: Waiting) -> str | None:
    """Return why an agent could not have a conversation, or None."""
    agent = member.candidate
    (place,) = agent.places
    if not member.here:
        return "offline"
    if not member.accepting:
        return "away"
    if not set(waiting.skills) <= set(agent.skills):
        return "skills"
    if not waiting.may_go_to(agent):
        return "reserved" if waiting.reserved_for else "declined"
    if agent.load >= agent.capacity:
        return "full"
    return "share" if place.room is not None and place.room <= 0 else None
