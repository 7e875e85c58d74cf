"""Episodes and stints: the bookkeeping behind every metric."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import Conversation, Episode, Stint
from app.ids import AgentId, uuid7


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
    episode = await current(session, conversation)
    episode.agent_id = agent_id
    episode.assigned_at = episode.assigned_at or now
    conversation.assigned_at = now
    session.add(Stint(id=uuid7(), episode_id=episode.id, agent_id=agent_id, started_at=now))


async def end_stint(session: AsyncSession, conversation: Conversation, reason: str, now: datetime) -> None:
    """The agent's time on it is over: `closed`, `agent_gone`, `transfer` or `takeover`."""
    episode = await current(session, conversation)
    await session.execute(
        update(Stint)
        .where(Stint.episode_id == episode.id, Stint.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
    )


async def finish(session: AsyncSession, conversation: Conversation, outcome: str, now: datetime) -> Episode:
    """End the running episode: `answered`, `left`, `abandoned` or `offline`."""
    episode = await current(session, conversation)
    episode.closed_at = now
    episode.outcome = outcome
    conversation.closed_at = now
    return episode
