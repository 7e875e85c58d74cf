"""What time does to those who wait: what was kept for one agent is for all, what waits too long goes on elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.conversations import changed, queued, unqueued
from app.chat.events import ConversationQueued
from app.chat.models import COLUMNS, Conversation
from app.chat.transfer import move_over
from app.identity.models import Site, Team
from app.ids import ConversationId, TeamId
from app.infra.work import Work
from app.routing.availability import TAKES_CHATS, takes

MOST_AT_ONCE = 500
"""Conversations of one transaction."""

# An agent who went away is not waited for, nor one who may not have it any more; one who reloads the console is.
_GIVE_TO_EVERYBODY = text(
    f"""
WITH kept AS (
    SELECT c.id, coalesce(c.declined_until < :now, false) AS again FROM conversation c
    WHERE c.state = 'waiting' AND (c.reserved_for IS NOT NULL OR c.declined_until IS NOT NULL)
      AND (c.reserved_until < :now OR c.declined_until < :now OR c.reserved_for IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM agent a JOIN team_member tm ON tm.agent_id = a.id JOIN team t ON t.id = tm.team_id
        WHERE a.id = c.reserved_for AND t.id = c.team_id AND t.strategy <> 'manual'
          AND a.capacity > 0 AND a.skills @> c.skills AND {TAKES_CHATS}
      ))
    ORDER BY c.score, c.id LIMIT {MOST_AT_ONCE} FOR NO KEY UPDATE OF c SKIP LOCKED
)
UPDATE conversation c
SET declined = CASE WHEN kept.again THEN '{{}}' ELSE c.declined END,
    declined_until = CASE WHEN kept.again THEN NULL ELSE c.declined_until END,
    reserved_for = CASE WHEN kept.again THEN c.reserved_for END,
    reserved_until = CASE WHEN kept.again THEN c.reserved_until END
FROM kept WHERE c.id = kept.id RETURNING c.id, c.team_id
"""
)
# Lanes in which somebody has waited too long, and where they would go. Whom somebody has served already is first in
# line here; and what came back a moment ago is about to be paired.
_OVERDUE = """
t.overflow_team_id IS NOT NULL AND c.state = 'waiting' AND NOT c.overflowed AND c.returns_at IS NULL
AND c.assigned_at IS NULL AND c.queued_at < CAST(:now AS timestamptz) - make_interval(secs => t.overflow_after_s)
AND c.changed_at < CAST(:now AS timestamptz) - interval '2 seconds'
"""
_OVERFLOWING = text(
    f"""
SELECT DISTINCT t.id, t.overflow_team_id AS target, c.skills FROM team t JOIN conversation c ON c.team_id = t.id
WHERE {_OVERDUE}
"""
)
_WAITED_TOO_LONG = text(
    f"""
SELECT {COLUMNS} FROM team t JOIN conversation c ON c.team_id = t.id
WHERE t.id = :team AND c.skills = CAST(:skills AS text[]) AND {_OVERDUE}
ORDER BY c.score, c.id LIMIT 1 FOR NO KEY UPDATE OF c SKIP LOCKED
"""
)
# Lanes that ask for more than their site does (a language), and for which nobody who takes chats is left.
_UNSPOKEN = text(
    f"""
SELECT {COLUMNS} FROM conversation c JOIN site s ON s.id = c.site_id
WHERE c.state = 'waiting' AND c.skills <> '{{}}' AND NOT c.skills <@ s.skills AND NOT EXISTS (
    SELECT 1 FROM team_member tm JOIN agent a ON a.id = tm.agent_id
    WHERE tm.team_id = c.team_id AND a.skills @> c.skills AND {TAKES_CHATS}
)
LIMIT 1 FOR NO KEY UPDATE OF c SKIP LOCKED
"""
)


async def give_to_everybody(work: Work, now: datetime) -> bool:
    """Let everybody of its lane have what was kept for one agent, or from those who declined it.

    Returns:
        Whether there was any.
    """
    given = (await work.session.execute(_GIVE_TO_EVERYBODY, {"now": now})).all()
    for row in given:
        work.record(ConversationQueued(ConversationId(row.id), TeamId(row.team_id)))
    return bool(given)


async def let_overflow(work: Work, now: datetime) -> bool:
    """Move a conversation that has waited too long to the line that its team overflows to, if somebody there can help.

    Returns:
        Whether there was one.
    """
    for lane in (await work.session.execute(_OVERFLOWING, {"now": now})).all():
        if not await takes(work.session, lane.target, now, lane.skills):
            continue
        values = {"team": lane.id, "skills": lane.skills, "now": now}
        conversation = await _one(work.session, _WAITED_TOO_LONG, values)
        if conversation is not None:
            before = await work.session.get_one(Team, lane.id)
            move_over(work, conversation, before, await work.session.get_one(Team, lane.target), now)
            return True
    return False


async def ask_for_less(work: Work, now: datetime) -> bool:
    """Let a visitor whose language nobody speaks any more have anybody whom their site would give them.

    Returns:
        Whether there was one.
    """
    conversation = await _one(work.session, _UNSPOKEN, {})
    if conversation is None:
        return False
    site = await work.session.get_one(Site, conversation.site_id)
    work.record(unqueued(conversation))
    conversation.skills = sorted(set(conversation.skills) & set(site.skills))
    changed(work, conversation, now)
    work.record(queued(conversation))
    return True


async def _one(session: AsyncSession, query: TextClause, values: dict[str, Any]) -> Conversation | None:
    """Return the conversation that a query found and locked."""
    return await session.scalar(
        select(Conversation).from_statement(query).execution_options(populate_existing=True), values
    )
