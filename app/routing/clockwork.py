"""What time does to those who wait: what was kept for one agent is for all, what waits too long goes on elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.conversations import queued
from app.chat.models import COLUMNS, Conversation
from app.chat.transfer import move_over
from app.identity.models import Team
from app.infra.work import Work
from app.routing.availability import ELIGIBLE, availability

# An agent who went away is not waited for.
_KEPT_TOO_LONG = text(
    f"""
SELECT {COLUMNS} FROM conversation c LEFT JOIN agent a ON a.id = c.reserved_for
WHERE c.state = 'waiting' AND (c.reserved_for IS NOT NULL OR c.declined_until IS NOT NULL)
  AND (c.reserved_until < :now OR c.declined_until < :now OR c.reserved_for IS NOT NULL AND NOT ({ELIGIBLE}))
LIMIT 1 FOR NO KEY UPDATE OF c SKIP LOCKED
"""
)
_OVERFLOWING = text(
    """
SELECT t.id, t.overflow_team_id FROM team t
WHERE t.overflow_team_id IS NOT NULL AND t.overflow_after_s IS NOT NULL AND EXISTS (
    SELECT 1 FROM conversation c WHERE c.team_id = t.id AND c.state = 'waiting' AND NOT c.overflowed
      AND c.returns_at IS NULL AND c.queued_at < CAST(:now AS timestamptz) - make_interval(secs => t.overflow_after_s)
)
"""
)
# What came back into line a moment ago is about to be paired.
_WAITED_TOO_LONG = text(
    f"""
SELECT {COLUMNS} FROM conversation c JOIN team t ON t.id = c.team_id
WHERE c.team_id = ANY (:teams) AND c.state = 'waiting' AND NOT c.overflowed AND c.returns_at IS NULL
  AND c.queued_at < CAST(:now AS timestamptz) - make_interval(secs => t.overflow_after_s)
  AND c.changed_at < CAST(:now AS timestamptz) - interval '2 seconds'
ORDER BY c.score, c.id LIMIT 1 FOR NO KEY UPDATE OF c SKIP LOCKED
"""
)


async def give_to_everybody(work: Work, now: datetime) -> bool:
    """Let everybody of its lane have a conversation that was kept for one agent, or from those who declined it.

    Returns:
        Whether there was one.
    """
    conversation = await _one(work.session, _KEPT_TOO_LONG, {"now": now})
    if conversation is None:
        return False
    if conversation.declined_until is not None and conversation.declined_until < now:
        conversation.declined, conversation.declined_until = [], None
    else:
        conversation.reserved_for = conversation.reserved_until = None
    work.record(queued(conversation))
    return True


async def let_overflow(work: Work, now: datetime) -> bool:
    """Move a conversation that has waited too long to the line that its team overflows to, if that takes visitors.

    Returns:
        Whether there was one.
    """
    ways = (await work.session.execute(_OVERFLOWING, {"now": now})).all()
    teams = [row.id for row in ways if (await availability(work.session, row.overflow_team_id, now)).now]
    if not teams:
        return False
    conversation = await _one(work.session, _WAITED_TOO_LONG, {"teams": teams, "now": now})
    if conversation is None:
        return False
    before = await work.session.get_one(Team, conversation.team_id)
    target = await work.session.get_one(Team, before.overflow_team_id)
    move_over(work, conversation, before, target, now)
    return True


async def _one(session: AsyncSession, query: TextClause, values: dict[str, Any]) -> Conversation | None:
    """Return the conversation that a query found and locked."""
    return await session.scalar(
        select(Conversation).from_statement(query).execution_options(populate_existing=True), values
    )
