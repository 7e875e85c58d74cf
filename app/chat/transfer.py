"""A conversation changes hands. Each act runs in the caller's unit of work; `app.routing.transfers` decides whether."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.chat import episodes, lifecycle, lines
from app.chat.conversations import Actor, changed, queued, taken_already, unqueued
from app.chat.events import ConversationChanged, ConversationUnqueued
from app.chat.models import Conversation
from app.errors import Conflict, Invalid
from app.identity.capacity import free_slot, take_slot
from app.identity.events import LoadChanged
from app.identity.models import Agent, Team
from app.ids import AgentId, ConversationId, TeamId, VisitorId
from app.infra.presence import is_connected
from app.infra.work import Work


async def let_go(
    work: Work,
    conversation: Conversation,
    gen: int,
    sender: Actor,
    to: dict[str, dict[str, str]],
    note: str,
    now: datetime,
) -> None:
    """Take a locked conversation from its agent, who passes it on; it waits then, and nobody is told yet.

    Args:
        to: the agent or the team that gets it, as clients are shown it.
        note: for whoever gets it; may be empty.

    Raises:
        Conflict: `stale`, `not_yours` or `conversation_closed`.
    """
    if conversation.state == "active" and conversation.agent_id != sender.id:
        raise Conflict("Another agent has this chat.", code="not_yours")
    if conversation.state != "closed":
        lifecycle.check_generation(conversation.gen, gen)
    conversation.state = lifecycle.after(conversation.state, "requeue")
    conversation.agent_id = None
    conversation.passed_by = sender.id
    await episodes.end_stint(work.session, conversation, "transfer", now)
    await free_slot(work.session, sender.id)
    if note:
        lines.append(work, conversation, lines.INTERNAL, "note", {"text": note}, now, sender=sender.sender)
    data = {"agent": sender.shown, "to": to}
    lines.append(work, conversation, lines.PUBLIC, "passed", data, now, sender=sender.sender)
    work.record(LoadChanged(sender.id))


async def take_over(work: Work, conversation: Conversation, gen: int, agent: Actor, now: datetime) -> None:
    """Take an active, locked conversation from its agent.

    Raises:
        Invalid: the agent has it already.
        Conflict: `stale`, `conversation_closed` or `at_capacity`.
    """
    if taken_already(work, conversation, gen, agent, now):
        return
    if conversation.state != "closed":
        lifecycle.check_generation(conversation.gen, gen)
    conversation.state = lifecycle.after(conversation.state, "takeover")
    before = conversation.agent_id
    assert before is not None, "an active conversation has an agent"
    if before == agent.id:
        raise Invalid("You have this chat already.", field="c")
    # Two may take over from each other.
    people = await work.session.scalars(
        select(Agent).where(Agent.id.in_([before, agent.id])).order_by(Agent.id).with_for_update(key_share=True)
    )
    former = next(each for each in people.all() if each.id == before)
    await take_slot(work.session, agent.id, now)
    await episodes.end_stint(work.session, conversation, "takeover", now)
    await free_slot(work.session, AgentId(before))
    conversation.agent_id = conversation.last_agent_id = agent.id
    await episodes.begin_stint(work.session, conversation, agent.id, now)
    data = {"agent": agent.shown, "from": {"id": str(former.id), "name": former.name}}
    lines.append(work, conversation, lines.INTERNAL, "taken_over", data, now, sender=agent.sender)
    lines.append(work, conversation, lines.PUBLIC, "joined", {"agent": agent.shown}, now, sender=agent.sender)
    changed(work, conversation, now, agent.id, before)
    work.record(LoadChanged(agent.id))
    work.record(LoadChanged(AgentId(before)))


async def give_back(work: Work, conversation: Conversation, now: datetime) -> bool:
    """Give a waiting, locked conversation, which nobody took, back to the agent who passed it on.

    Returns:
        Whether they have it. If not (they went away, or are full by now) it stays in line, at its old place.
    """
    agent_id, line_team = conversation.passed_by, conversation.team_id
    assert agent_id is not None, "somebody passed it on"
    # A team had its chance; an agent's miss leaves it in the line it came from.
    was_in_line = conversation.returns_at is not None
    conversation.passed_by = conversation.returns_at = None
    # Only the sender may have it again at once: who declined it meanwhile keeps their minute.
    conversation.declined = [each for each in conversation.declined if each != agent_id]
    if not conversation.declined:
        conversation.declined_until = None
    if not await is_connected(work.session, agent_id):
        return False
    try:
        await take_slot(work.session, AgentId(agent_id), now)
    except Conflict:
        return False
    if was_in_line:
        assert conversation.previous_team_id is not None, "it came from another team"
        conversation.team_id, conversation.previous_team_id = conversation.previous_team_id, line_team
        work.record(
            ConversationUnqueued(ConversationId(conversation.id), TeamId(line_team), tuple(conversation.skills))
        )
    conversation.state = lifecycle.after(conversation.state, "claim")
    conversation.agent_id = conversation.last_agent_id = agent_id
    conversation.declined, conversation.declined_until = [], None
    await episodes.begin_stint(work.session, conversation, AgentId(agent_id), now)
    agent = await work.session.get_one(Agent, agent_id)
    shown = {"agent": {"id": str(agent_id), "name": agent.name}}
    lines.append(work, conversation, lines.PUBLIC, "joined", shown, now, sender=("agent", agent_id, agent.name))
    changed(work, conversation, now, agent_id)
    if was_in_line:
        # Whoever lists that line should see it leave.
        work.record(
            ConversationChanged(
                ConversationId(conversation.id),
                TeamId(line_team),
                VisitorId(conversation.visitor_id),
                conversation.gen,
                conversation.state,
                lane=conversation.lane,
            )
        )
    work.record(LoadChanged(AgentId(agent_id)))
    return True


def move_over(work: Work, conversation: Conversation, before: Team, target: Team, now: datetime) -> None:
    """Let a waiting, locked conversation go on waiting in another team's line, at the place of its score."""
    work.record(unqueued(conversation))
    conversation.previous_team_id, conversation.team_id, conversation.overflowed = before.id, target.id, True
    conversation.reserved_for = conversation.reserved_until = None
    teams = {"from": {"id": str(before.id), "name": before.name}, "to": {"id": str(target.id), "name": target.name}}
    lines.append(work, conversation, lines.INTERNAL, "overflowed", teams, now)
    changed(work, conversation, now)
    # Whoever lists the line that it left should see it go.
    work.record(
        ConversationChanged(
            ConversationId(conversation.id),
            TeamId(before.id),
            VisitorId(conversation.visitor_id),
            conversation.gen,
            conversation.state,
            lane=conversation.lane,
        )
    )
    work.record(queued(conversation))


def wait_in(work: Work, conversation: Conversation, team_id: UUID, returns_at: datetime, now: datetime) -> None:
    """Put a conversation that was let go in another team's line, at the place of its score."""
    sender, before = conversation.passed_by, conversation.team_id
    conversation.previous_team_id, conversation.team_id = before, team_id
    conversation.returns_at = returns_at
    # Their slot is free now: without this they would be the next to get it.
    conversation.declined, conversation.declined_until = [sender] if sender else [], returns_at
    changed(work, conversation, now, sender)
    work.record(queued(conversation))
