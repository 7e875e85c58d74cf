"""Why this agent? What is kept with each offer, for whoever asks later."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import Conversation
from app.clock import to_ms
from app.identity.models import Team
from app.infra.presence import live_sql
from app.routing.assignment import SINCE_MS, Candidate, Strategy
from app.routing.availability import HAS_OF_TEAM

MOST_NAMED = 12
"""Agents named in a reason; the others are counted."""

_MEMBERS = text(
    f"""
SELECT a.id, a.name, a.load, a.capacity, a.last_assigned_at, a.freed_at,
       CASE WHEN NOT {live_sql("a.id")} THEN 'offline'
            WHEN NOT a.accepting THEN 'away'
            WHEN NOT a.skills @> c.skills THEN 'skills'
            WHEN a.id = ANY (c.declined) THEN 'declined'
            WHEN c.reserved_for <> a.id THEN 'reserved'
            WHEN a.load >= a.capacity THEN 'full'
            WHEN {HAS_OF_TEAM} >= t.share THEN 'share' END AS out
FROM conversation c JOIN team t ON t.id = c.team_id
JOIN team_member tm ON tm.team_id = t.id JOIN agent a ON a.id = tm.agent_id AND a.active
WHERE c.id = :conversation
"""
)


async def reason(
    session: AsyncSession, conversation: Conversation, team: Team, now: datetime, took_ms: float
) -> dict[str, Any]:
    """Return who could have got a waiting conversation, in the order of the strategy, and what ruled the others out.

    Args:
        took_ms: how long it took to propose the pair.

    Returns:
        `strategy`, `skills`, `reserved` (they were served by this agent before), `waited_ms`, `took_ms`; `agents`,
        each with `id`, `name`, `load`, `capacity`, `score` (the smallest is first) or `out`: offline, away, skills,
        declined, reserved, full or share; `others`, how many more were ruled out, by the same words.
    """
    rows = (await session.execute(_MEMBERS, {"conversation": conversation.id})).all()
    strategy: Strategy = team.strategy  # pyright: ignore[reportAssignmentType]
    free: list[dict[str, Any]] = []
    out: list[dict[str, Any]] = []
    for row in rows:
        agent: dict[str, Any] = {"id": str(row.id), "name": row.name, "load": row.load, "capacity": row.capacity}
        if row.out is not None:
            out.append({**agent, "out": row.out})
            continue
        last, freed = (to_ms(each) if each else SINCE_MS for each in (row.last_assigned_at, row.freed_at))
        score = Candidate(str(row.id), row.load, row.capacity, last, (), free_ms=freed).score(strategy)
        free.append({**agent, "score": score})
    free.sort(key=lambda agent: (agent["score"], agent["id"]))
    out.sort(key=lambda agent: (agent["out"], agent["name"]))
    rest = Counter(agent["out"] for agent in out[max(0, MOST_NAMED - len(free)) :])
    rest.update("more" for _ in free[MOST_NAMED:])
    return {
        "strategy": team.strategy,
        "skills": list(conversation.skills),
        "reserved": conversation.reserved_for is not None,
        "waited_ms": max(0, round((now - conversation.queued_at).total_seconds() * 1000)),
        "took_ms": round(took_ms, 1),
        "agents": [*free, *out][:MOST_NAMED],
        "others": dict(rest),
    }
