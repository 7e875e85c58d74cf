"""How many conversations an agent has, counted in Postgres in the transaction that changes it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict
from app.identity.models import Agent
from app.ids import AgentId


async def take_slot(session: AsyncSession, agent_id: AgentId, now: datetime) -> None:
    """Count one more conversation for an agent.

    Raises:
        Conflict: `at_capacity`: the agent has no room, or is switched off.
    """
    taken = await session.execute(
        update(Agent)
        .where(Agent.id == agent_id, Agent.active, Agent.load < Agent.capacity)
        .values(load=Agent.load + 1, rev=Agent.rev + 1, last_assigned_at=now)
        .returning(Agent.id)
    )
    if taken.scalar_one_or_none() is None:
        raise Conflict("You have as many chats as you can take; close one first.", code="at_capacity")


async def free_slot(session: AsyncSession, agent_id: AgentId) -> None:
    """Count one conversation less for an agent."""
    await session.execute(
        update(Agent)
        .where(Agent.id == agent_id)
        .values(load=Agent.load - 1, rev=Agent.rev + 1, freed_at=func.clock_timestamp())
    )
