"""Heads: a conversation in one line, as lists show it; and the visitor's own view of theirs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import LANE
from app.clock import maybe_ms, to_ms
from app.infra.database import any_of
from app.infra.presence import live_sql

PREVIEW = 160
"""Code points of the last message, or of a note, that a list shows."""

_SELECT = f"""
SELECT c.id, c.gen, c.state, c.episode, c.queued_at, c.assigned_at, c.closed_at, c.left_message,
       c.public_seq, c.internal_seq, c.visitor_read, c.agent_read, c.previous_team_id,
       c.skills, s.id AS site_id, s.name AS site_name, t.id AS team_id, t.name AS team_name,
       v.id AS visitor_id, v.name AS visitor_name, v.email, v.verified, v.page_url, v.page_title,
       {live_sql("v.id")} AS online,
       a.id AS agent_id, a.name AS agent_name,
       left(l.body->>'text', {PREVIEW}) AS preview, l.sender_kind AS preview_from, l.at AS preview_at,
       p.id AS passed_by_id, p.name AS passed_by_name, w.at AS passed_at, w.note AS passed_note
FROM conversation c
JOIN site s ON s.id = c.site_id
JOIN team t ON t.id = c.team_id
JOIN visitor v ON v.id = c.visitor_id
LEFT JOIN LATERAL (
    SELECT x.id, x.name FROM agent x
    WHERE x.id = CASE WHEN c.state = 'closed' THEN c.last_agent_id ELSE c.agent_id END OFFSET 0
) a ON true
LEFT JOIN LATERAL (
    SELECT m.body, m.sender_kind, m.at FROM message m
    WHERE m.conversation_id = c.id AND m.lane = 0 AND m.kind = 'message'
    ORDER BY m.seq DESC LIMIT 1
) l ON true
LEFT JOIN LATERAL (SELECT x.id, x.name FROM agent x WHERE x.id = c.passed_by OFFSET 0) p ON true
LEFT JOIN LATERAL (
    SELECT m.at, (
        SELECT left(n.body->>'text', {PREVIEW}) FROM message n
        WHERE n.conversation_id = c.id AND n.lane = 1 AND n.kind = 'note' AND n.sender_id = c.passed_by AND n.at = m.at
        LIMIT 1
    ) AS note
    FROM message m
    WHERE c.passed_by IS NOT NULL AND m.conversation_id = c.id AND m.lane = 0 AND m.kind = 'passed'
    ORDER BY m.seq DESC LIMIT 1
) w ON true
"""
_BY_ID = text(_SELECT + f"WHERE c.id {any_of('ids')}")
# Whose heads they are is found first, as an array: joined, Postgres may read what belongs to the heads of everybody who
# waits.
_FOR_AGENT = text(
    _SELECT
    + """
WHERE c.id = ANY (ARRAY(
    SELECT id FROM conversation WHERE agent_id = :agent AND state IN ('offered', 'active')
    UNION (SELECT id FROM conversation WHERE team_id = ANY (:teams) AND state IN ('waiting', 'offered')
           ORDER BY score, id LIMIT :most)
    UNION (SELECT id FROM conversation WHERE :everybodys AND team_id = ANY (:teams) AND state = 'active'
           ORDER BY assigned_at DESC LIMIT :most)
    UNION (SELECT id FROM conversation WHERE team_id = ANY (:teams) AND left_message ORDER BY closed_at LIMIT :most)
    UNION (SELECT id FROM conversation WHERE state = 'closed' AND last_agent_id = :agent AND team_id = ANY (:teams)
             AND closed_at IS NOT NULL
           ORDER BY closed_at DESC LIMIT 20)
))
ORDER BY c.queued_at
"""
)
_CLOSED = text(
    _SELECT
    + """
WHERE c.id = ANY (ARRAY(
    SELECT page.id FROM unnest(CAST(:teams AS uuid[])) AS t(id) CROSS JOIN LATERAL (
        SELECT x.id FROM conversation x
        WHERE x.team_id = t.id AND x.state = 'closed'
          AND x.closed_at < coalesce(CAST(:before AS timestamptz), 'infinity')
        ORDER BY x.closed_at DESC LIMIT :limit
    ) page
))
ORDER BY c.closed_at DESC LIMIT :limit
"""
)
_CHANGED = text(
    _SELECT
    + """
WHERE c.changed_at > now() - make_interval(secs => :seconds)
  AND (c.team_id = ANY (:teams) OR c.previous_team_id = ANY (:teams))
"""
)
_VISITORS = text(
    f"""
SELECT c.visitor_id, c.id, c.gen, c.state, c.episode, c.team_id, {LANE} AS lane, c.public_seq, c.internal_seq,
       c.visitor_read, c.agent_read,
       c.left_message, a.id AS agent_id, a.name AS agent_name, e.id AS episode_id, e.agent_id AS episode_agent,
       e.rating_prompted_at, r.score
FROM conversation c
LEFT JOIN agent a ON a.id = c.agent_id AND c.state = 'active'
LEFT JOIN episode e ON e.conversation_id = c.id AND e.number = c.episode
LEFT JOIN rating r ON r.episode_id = e.id
WHERE c.visitor_id {any_of("visitors")}
"""
)

Head = dict[str, Any]

MOST_LISTED = 100
"""Waiting conversations, and left messages, in a snapshot: the oldest. The rest follow as these are dealt with."""


async def heads_by_id(session: AsyncSession, ids: list[UUID]) -> list[Head]:
    """Return the heads of the conversations that exist among `ids`."""
    return [_head(row) for row in await session.execute(_BY_ID, {"ids": ids})]


async def heads_for_agent(
    session: AsyncSession, agent_id: UUID, team_ids: list[UUID], *, everybodys: bool = False
) -> list[Head]:
    """Return what an agent's lists hold: theirs, their teams' waiting and left messages, their latest closed.

    Args:
        everybodys: with the chats that others of their teams have.
    """
    values = {"agent": agent_id, "teams": team_ids, "most": MOST_LISTED, "everybodys": everybodys}
    rows = await session.execute(_FOR_AGENT, values)
    return [_head(row) for row in rows]


async def closed_heads(
    session: AsyncSession, team_ids: list[UUID], before: object, limit: int
) -> tuple[list[Head], bool]:
    """Return a page of closed conversations of some teams, latest first, and whether there are more."""
    rows = list(await session.execute(_CLOSED, {"teams": team_ids, "before": before, "limit": limit + 1}))
    return [_head(row) for row in rows[:limit]], len(rows) > limit


async def heads_changed_within(session: AsyncSession, team_ids: list[UUID], seconds: float) -> list[tuple[UUID, Head]]:
    """Return the heads of conversations whose state changed in the last `seconds`.

    Returns:
        Pairs of team and head. A conversation that was passed on is there for the team that had it, too.
    """
    rows = await session.execute(_CHANGED, {"teams": team_ids, "seconds": seconds})
    return [
        (team_id, _head(row))
        for row in rows
        for team_id in (row.team_id, row.previous_team_id)
        if team_id is not None and team_id in team_ids
    ]


async def visitor_row(session: AsyncSession, visitor_id: UUID) -> Row[Any] | None:
    """Return the visitor's conversation with its latest episode, or None."""
    return (await visitor_rows(session, [visitor_id])).get(visitor_id)


async def visitor_rows(session: AsyncSession, visitor_ids: list[UUID]) -> dict[UUID, Row[Any]]:
    """Return the conversations, with their latest episodes, of those visitors that have one."""
    return {row.visitor_id: row for row in await session.execute(_VISITORS, {"visitors": visitor_ids})}


def visitor_view(row: Row[Any], position: int | None) -> dict[str, Any]:
    """Return a conversation as its visitor sees it."""
    return {
        "c": str(row.id),
        "gen": row.gen,
        "state": "waiting" if row.state == "offered" else row.state,
        "episode": row.episode,
        "agent": {"id": str(row.agent_id), "name": row.agent_name} if row.agent_id else None,
        "public": row.public_seq,
        "read": {"visitor": row.visitor_read, "agent": row.agent_read},
        "position": position,
        "can_rate": row.state == "closed" and row.episode_agent is not None,
        "score": row.score,
        "left_message": row.left_message,
    }


def _head(row: Row[Any]) -> Head:
    return {
        "c": str(row.id),
        "gen": row.gen,
        "state": row.state,
        "site": {"id": str(row.site_id), "name": row.site_name},
        "team": {"id": str(row.team_id), "name": row.team_name},
        "skills": list(row.skills),
        "visitor": {
            "id": str(row.visitor_id),
            "name": row.visitor_name,
            "email": row.email,
            "verified": row.verified,
        },
        "online": row.online,
        "agent": {"id": str(row.agent_id), "name": row.agent_name} if row.agent_id else None,
        "episode": row.episode,
        "queued_at": to_ms(row.queued_at),
        "assigned_at": maybe_ms(row.assigned_at),
        "closed_at": maybe_ms(row.closed_at),
        "left_message": row.left_message,
        "public": row.public_seq,
        "internal": row.internal_seq,
        "read": {"visitor": row.visitor_read, "agent": row.agent_read},
        "preview": {"text": row.preview, "from": row.preview_from, "at": to_ms(row.preview_at)}
        if row.preview_at
        else None,
        "passed": {
            "by": {"id": str(row.passed_by_id), "name": row.passed_by_name},
            "at": to_ms(row.passed_at),
            "note": row.passed_note,
        }
        if row.passed_at
        else None,
        "page": {"url": row.page_url, "title": row.page_title} if row.page_url else None,
    }
