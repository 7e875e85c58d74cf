"""Passing a conversation on, to an agent who accepts or to another team's line; unanswered, it goes back."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat import lifecycle
from app.chat.conversations import Actor, queued, touched, unqueued
from app.chat.models import Conversation
from app.chat.transfer import give_back, let_go, wait_in
from app.errors import Conflict, Invalid, NotFound
from app.identity.models import Agent, Team
from app.ids import AgentId
from app.infra.work import Work
from app.routing.availability import ELIGIBLE, takes
from app.routing.offers import offer

RETURN_S = 120
"""How long another team has before the conversation goes back."""

_TAKE = text(
    f"""
UPDATE agent a SET load = a.load + 1, rev = a.rev + 1, last_assigned_at = :now
WHERE a.id = :agent AND a.load < a.capacity AND {ELIGIBLE} RETURNING a.id
"""
)
_SKILLS = text(
    f"""
SELECT a.skills FROM team_member tm JOIN agent a ON a.id = tm.agent_id
WHERE tm.team_id = :team AND a.id <> :sender AND {ELIGIBLE}
"""
)
_TAKES_CHATS = text(f"SELECT 1 FROM agent a WHERE a.id = :agent AND {ELIGIBLE}")


async def pass_to_agent(
    work: Work, conversation: Conversation, gen: int, sender: Actor, agent_id: UUID, note: str, now: datetime
) -> None:
    """Offer the sender's locked conversation to another agent, of any team.

    Raises:
        Invalid: it is the sender.
        NotFound: there is no such agent.
        Conflict: `stale`, `not_yours`, `conversation_closed`; `no_agents`: they take no chats now; `at_capacity`.
    """
    if agent_id == sender.id:
        raise Invalid("You have this chat already.", field="agent")
    # In id order: two may pass to each other.
    people = await work.session.scalars(
        select(Agent)
        .where(Agent.id.in_([agent_id, sender.id]))
        .order_by(Agent.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    agent = next((each for each in people if each.id == agent_id), None)
    if agent is None:
        raise NotFound
    to = {"agent": {"id": str(agent.id), "name": agent.name}}
    await let_go(work, conversation, gen, sender, to, note, now)
    await _take(work, agent, now)
    offer(work, conversation, AgentId(agent_id), agent.name, "offer", now)
    touched(work, conversation, now, sender.id)


async def assign(work: Work, conversation: Conversation, gen: int, agent_id: UUID, by: Actor, now: datetime) -> None:
    """Give a waiting, locked conversation to an agent, of any team, whose client confirms it by itself.

    Raises:
        NotFound: there is no such agent.
        Conflict: `stale`, `conversation_closed`; `no_agents`: they take no chats now; `at_capacity`.
    """
    if conversation.state != "closed":
        lifecycle.check_generation(conversation.gen, gen)
    lifecycle.after(conversation.state, "offer")
    # Locked first: whoever waits for the row in _TAKE would see them here as it was before.
    agent = await work.session.get(Agent, agent_id, with_for_update={"key_share": True})
    if agent is None:
        raise NotFound
    await _take(work, agent, now)
    offer(work, conversation, AgentId(agent_id), agent.name, "direct", now, by=by)
    work.record(unqueued(conversation))


async def _take(work: Work, agent: Agent, now: datetime) -> None:
    """Count one more conversation for an agent who takes chats.

    Raises:
        Conflict: `no_agents` or `at_capacity`.
    """
    if (await work.session.execute(_TAKE, {"agent": agent.id, "now": now})).scalar_one_or_none() is None:
        if (await work.session.execute(_TAKES_CHATS, {"agent": agent.id})).scalar_one_or_none() is None:
            raise Conflict(f"{agent.name} takes no chats right now.", code="no_agents")
        raise Conflict(f"{agent.name} has no room right now.", code="at_capacity")


async def pass_to_team(
    work: Work, conversation: Conversation, gen: int, sender: Actor, team_id: UUID, note: str, now: datetime
) -> None:
    """Put the sender's locked conversation in a team's line, at the place of its score; they do not get it from there.

    Raises:
        NotFound: there is no such team.
        Conflict: `stale`, `not_yours`, `conversation_closed`; `no_agents`: nobody there takes chats now.
    """
    team = await work.session.get(Team, team_id)
    if team is None:
        raise NotFound
    to = {"team": {"id": str(team.id), "name": team.name}}
    await let_go(work, conversation, gen, sender, to, note, now)
    others = await _others(work.session, team_id, sender.id)
    if not others or not await takes(work.session, team_id, now):
        raise Conflict(f"Nobody of {team.name} takes chats right now.", code="no_agents")
    if not any(set(conversation.skills) <= skills for skills in others):
        # Whoever passes it on knows better than what was asked for at the beginning.
        conversation.skills = []
    wait_in(work, conversation, team_id, now + timedelta(seconds=RETURN_S), now)


async def _others(session: AsyncSession, team_id: UUID, sender_id: UUID) -> list[set[str]]:
    """Return the skills of each agent of a team who takes chats, but for the sender."""
    rows = await session.scalars(_SKILLS, {"team": team_id, "sender": sender_id})
    return [set(skills) for skills in rows]


async def return_unanswered(work: Work, now: datetime) -> bool:
    """Give back a conversation that another team did not take in time.

    Returns:
        Whether there was one.
    """
    conversation = await work.session.scalar(
        select(Conversation)
        .where(Conversation.state == "waiting", Conversation.returns_at < now)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if conversation is None:
        return False
    if not await give_back(work, conversation, now):
        # It stays in line, and the sender may have it from there like anybody else.
        work.record(queued(conversation))
    return True
