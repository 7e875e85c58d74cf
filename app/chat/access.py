"""The only ways to a conversation. Knowing an id gives nothing; a foreign one and an unknown one look the same."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import Conversation
from app.errors import NotFound
from app.ids import AgentId, VisitorId


async def conversation_for_visitor(
    session: AsyncSession, visitor_id: VisitorId, conversation_id: UUID, *, locked: bool = False
) -> Conversation:
    """Return the visitor's own conversation.

    Args:
        locked: until the transaction ends.

    Raises:
        NotFound: it is somebody else's, or there is none.
    """
    return await _found(session, conversation_id, Conversation.visitor_id == visitor_id, locked)


async def conversation_for_agent(
    session: AsyncSession,
    agent_id: AgentId,
    team_ids: Collection[UUID],
    conversation_id: UUID,
    *,
    locked: bool = False,
) -> Conversation:
    """Return a conversation of the agent's teams, or one that is theirs.

    Args:
        locked: until the transaction ends.

    Raises:
        NotFound: it is neither, or there is none.
    """
    theirs = or_(Conversation.team_id.in_(team_ids), Conversation.agent_id == agent_id)
    return await _found(session, conversation_id, theirs, locked)


async def _found(
    session: AsyncSession, conversation_id: UUID, theirs: ColumnElement[bool], locked: bool
) -> Conversation:
    wanted = select(Conversation).where(Conversation.id == conversation_id, theirs)
    conversation = await session.scalar(wanted.with_for_update(key_share=True) if locked else wanted)
    if conversation is None:
        raise NotFound
    return conversation
