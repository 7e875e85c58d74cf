"""Episodes and stints: the bookkeeping behind every metric."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import Conversation, Episode
from app.ids import AgentId, uuid7
from app.infra.presence import live_sql

_RUNNING = "conversation_id = :c AND number = :number"
_BEGIN_STINT = text(
    f"""
WITH running AS (
    UPDATE episode SET agent_id = :agent, assigned_at = coalesce(assigned_at, :now) WHERE {_RUNNING} RETURNING id
)
INSERT INTO stint (id, episode_id, agent_id, started_at) SELECT :id, id, :agent, :now FROM running
"""
)
_END_STINT = text(
    f"""
UPDATE stint SET ended_at = :now, end_reason = :reason
WHERE ended_at IS NULL AND episode_id = (SELECT id FROM episode WHERE {_RUNNING})
"""
)
# Whoever was answered and is there is asked to rate it; the others are asked by the snapshot when they come back.
_FINISH = text(
    f"""
UPDATE episode SET closed_at = :now, outcome = :outcome, rating_prompted_at =
    CASE WHEN :outcome = 'answered' AND {live_sql(":visitor")} THEN :now ELSE rating_prompted_at END
WHERE {_RUNNING}
"""
)


def begin(session: AsyncSession, conversation: Conversation, now: datetime) -> Episode:
    """Begin the next episode of a locked conversation, whose generation the caller raises once."""
    conversation.episode += 1
    conversation.episode_gen = conversation.gen + 1
    conversation.queued_at = now
    conversation.assigned_at = None
    conversation.closed_at = None
    episode = Episode(
        id=uuid7(),
        conversation_id=conversation.id,
        number=conversation.episode,
        site_id=conversation.site_id,
        team_id=conversation.team_id,
        queued_at=now,
    )
    session.add(episode)
    return episode


async def current(session: AsyncSession, conversation: Conversation) -> Episode:
    """Return the episode that is running, or ran last."""
    found = await session.execute(
        select(Episode).where(Episode.conversation_id == conversation.id, Episode.number == conversation.episode)
    )
    return found.scalar_one()


async def begin_stint(session: AsyncSession, conversation: Conversation, agent_id: AgentId, now: datetime) -> None:
    """An agent takes over."""
    conversation.assigned_at = now
    values = {"id": uuid7(), "agent": agent_id, "now": now}
    await session.execute(_BEGIN_STINT, values | _running(conversation))


async def end_stint(session: AsyncSession, conversation: Conversation, reason: str, now: datetime) -> None:
    """The agent's time on it is over: `closed`, `agent_gone`, `transfer` or `takeover`."""
    await session.execute(_END_STINT, {"now": now, "reason": reason} | _running(conversation))


async def finish(session: AsyncSession, conversation: Conversation, outcome: str, now: datetime) -> None:
    """End the running episode: `answered`, `left`, `abandoned` or `offline`."""
    conversation.closed_at = now
    values = {"now": now, "outcome": outcome, "visitor": conversation.visitor_id}
    await session.execute(_FINISH, values | _running(conversation))


def _running(conversation: Conversation) -> dict[str, object]:
    return {"c": conversation.id, "number": conversation.episode}
