"""What can be done with a conversation. Each act runs in the caller's unit of work, which has locked the row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat import episodes, lifecycle, lines
from app.chat.events import ConversationChanged, ConversationQueued, ConversationUnqueued, OfferWithdrawn
from app.chat.models import Conversation
from app.clock import to_ms
from app.contacts.models import Visitor
from app.errors import Conflict
from app.identity.capacity import free_slot, take_slot
from app.identity.events import LoadChanged
from app.identity.models import Agent, Site
from app.ids import AgentId, ConversationId, TeamId, VisitorId, uuid7
from app.infra.work import Work


@dataclass(frozen=True, slots=True)
class Actor:
    """An agent who acts on a conversation."""

    id: AgentId
    name: str

    @property
    def sender(self) -> tuple[str, UUID, str]:
        return ("agent", self.id, self.name)

    @property
    def shown(self) -> dict[str, str]:
        return {"id": str(self.id), "name": self.name}


def changed(work: Work, conversation: Conversation, now: datetime, *agents: AgentId | UUID | None) -> None:
    """Raise the generation and record that whoever lists the conversation should look again."""
    conversation.gen += 1
    touched(work, conversation, now, *agents)


def touched(work: Work, conversation: Conversation, now: datetime, *agents: AgentId | UUID | None) -> None:
    """Record that lists should look again although nothing happened that a command must know of."""
    conversation.changed_at = now
    work.record(
        ConversationChanged(
            ConversationId(conversation.id),
            TeamId(conversation.team_id),
            VisitorId(conversation.visitor_id),
            conversation.gen,
            conversation.state,
            tuple(AgentId(a) for a in dict.fromkeys(agents) if a is not None),
            conversation.lane,
        )
    )


async def of_visitor(session: AsyncSession, visitor: Visitor, site: Site) -> Conversation:
    """Return the visitor's one conversation, locked; made (closed and empty) if there was none."""
    await session.execute(
        insert(Conversation)
        .values(id=uuid7(), site_id=site.id, team_id=site.team_id, visitor_id=visitor.id, state="closed")
        .on_conflict_do_nothing()
    )
    found = await session.execute(
        select(Conversation)
        .where(Conversation.visitor_id == visitor.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.scalar_one()


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a conversation gets in line.

    Attributes:
        skills: what its agent must be able to do, in order.
        score: its place.
        reserved_for: who alone may have it until `reserved_until`.
    """

    team_id: UUID
    skills: tuple[str, ...]
    score: int
    reserved_for: UUID | None = None
    reserved_until: datetime | None = None


async def start(work: Work, visitor: Visitor, conversation: Conversation, entry: Entry, now: datetime) -> None:
    """Put the visitor's closed, locked conversation in line.

    Raises:
        Conflict: `stale`: it is open.
    """
    conversation.state = lifecycle.after(conversation.state, "start")
    conversation.team_id, conversation.skills, conversation.score = entry.team_id, list(entry.skills), entry.score
    _for_everybody(conversation)
    conversation.reserved_for, conversation.reserved_until = entry.reserved_for, entry.reserved_until
    # Their presence is announced a moment later; until then they must not look long gone.
    visitor.seen_at = now
    episode = episodes.begin(work.session, conversation, now)
    lines.append(work, conversation, lines.PUBLIC, "queued", {"episode": episode.number}, now)
    changed(work, conversation, now)
    work.record(queued(conversation))


async def accept(work: Work, conversation: Conversation, gen: int, agent: Actor, now: datetime) -> None:
    """The agent takes the conversation that was offered to them.

    Raises:
        Conflict: `stale`: the offer is off, or was not theirs.
    """
    if taken_already(work, conversation, gen, agent, now):
        return
    lifecycle.check_generation(conversation.gen, gen)
    conversation.state = lifecycle.after(conversation.state, "accept")
    if conversation.agent_id != agent.id:
        lifecycle.check_generation(-1, gen)
    conversation.offer_expires_at = None
    await work.session.execute(update(Agent).where(Agent.id == agent.id, Agent.missed > 0).values(missed=0))
    await _joined(work, conversation, agent, now)


async def claim(work: Work, conversation: Conversation, gen: int, agent: Actor, now: datetime) -> None:
    """The agent takes a waiting conversation out of the queue.

    Raises:
        Conflict: `stale` or `at_capacity`.
    """
    if taken_already(work, conversation, gen, agent, now):
        return
    lifecycle.check_generation(conversation.gen, gen)
    state = lifecycle.after(conversation.state, "claim")
    await take_slot(work.session, agent.id, now)
    conversation.state = state
    conversation.agent_id = agent.id
    await _joined(work, conversation, agent, now)
    work.record(LoadChanged(agent.id))
    work.record(unqueued(conversation))


def taken_already(work: Work, conversation: Conversation, gen: int, agent: Actor, now: datetime) -> bool:
    """Tell whether the agent's own command of this generation was carried out, though its answer was lost.

    Then nobody was told what it did either: it is told now.
    """
    taken = conversation.state == "active" and conversation.agent_id == agent.id and conversation.gen == gen + 1
    if taken:
        touched(work, conversation, now, agent.id)
        work.record(LoadChanged(agent.id))
        work.record(unqueued(conversation))
    return taken


async def _joined(work: Work, conversation: Conversation, agent: Actor, now: datetime) -> None:
    conversation.last_agent_id = agent.id
    conversation.left_message = False
    conversation.passed_by = conversation.returns_at = None
    _for_everybody(conversation)
    await episodes.begin_stint(work.session, conversation, agent.id, now)
    lines.append(work, conversation, lines.PUBLIC, "joined", {"agent": agent.shown}, now, sender=agent.sender)
    changed(work, conversation, now, agent.id)


def _for_everybody(conversation: Conversation) -> None:
    """Forget who may have had it while it waited."""
    conversation.reserved_for = conversation.reserved_until = None
    conversation.declined, conversation.declined_until, conversation.overflowed = [], None, False


async def reopen(work: Work, conversation: Conversation, gen: int, agent: Actor, now: datetime) -> None:
    """The agent opens a closed conversation again, as its agent; a new episode begins.

    Raises:
        Conflict: `stale` or `at_capacity`.
    """
    if taken_already(work, conversation, gen, agent, now):
        return
    lifecycle.check_generation(conversation.gen, gen)
    state = lifecycle.after(conversation.state, "reopen")
    await take_slot(work.session, agent.id, now)
    conversation.state = state
    conversation.agent_id = conversation.last_agent_id = agent.id
    conversation.left_message = False
    conversation.score = to_ms(now)
    # Whoever opens it again knows better than what was asked for then.
    conversation.skills = []
    _for_everybody(conversation)
    episodes.begin(work.session, conversation, now)
    await work.session.flush()
    await episodes.begin_stint(work.session, conversation, agent.id, now)
    lines.append(work, conversation, lines.PUBLIC, "reopened", {"agent": agent.shown}, now, sender=agent.sender)
    changed(work, conversation, now, agent.id)
    work.record(LoadChanged(agent.id))


async def close(work: Work, conversation: Conversation, gen: int, agent: Actor, now: datetime) -> None:
    """The agent ends it.

    Raises:
        Conflict: `stale`, `not_yours` or `conversation_closed`.
    """
    if conversation.state == "active" and conversation.agent_id != agent.id:
        raise Conflict("Another agent has this chat.", code="not_yours")
    if conversation.state != "closed":
        lifecycle.check_generation(conversation.gen, gen)
    await _close_active(work, conversation, "agent", agent.sender, agent.shown, now)


async def end(work: Work, conversation: Conversation, visitor: Visitor, now: datetime) -> None:
    """The visitor ends it, or gives up waiting.

    Raises:
        Conflict: `conversation_closed`.
    """
    if conversation.state in ("waiting", "offered"):
        await _leave(work, conversation, "left", ("visitor", visitor.id, visitor.name), now)
    else:
        await _close_active(work, conversation, "visitor", ("visitor", visitor.id, visitor.name), None, now)


async def _close_active(
    work: Work,
    conversation: Conversation,
    by: Literal["agent", "visitor"],
    sender: tuple[str, UUID, str | None],
    shown: dict[str, str] | None,
    now: datetime,
) -> None:
    conversation.state = lifecycle.after(conversation.state, "close")
    agent_id = conversation.agent_id
    assert agent_id is not None, "an active conversation has an agent"
    conversation.agent_id = None
    await episodes.end_stint(work.session, conversation, "closed", now)
    await episodes.finish(work.session, conversation, "answered", now)
    await free_slot(work.session, AgentId(agent_id))
    data = {"by": by, "reason": "ended", "agent": shown}
    lines.append(work, conversation, lines.PUBLIC, "closed", data, now, sender=sender)
    changed(work, conversation, now, agent_id)
    work.record(LoadChanged(AgentId(agent_id)))


async def abandon(work: Work, conversation: Conversation, now: datetime) -> None:
    """The visitor of a locked conversation went away while waiting."""
    await _leave(work, conversation, "abandoned", None, now)


async def leave_line(work: Work, conversation: Conversation, visitor: Visitor, now: datetime) -> None:
    """The visitor of a locked, unserved conversation leaves a message instead of waiting."""
    await _leave(work, conversation, "offline", ("visitor", visitor.id, visitor.name), now)


async def _leave(
    work: Work,
    conversation: Conversation,
    outcome: Literal["left", "abandoned", "offline"],
    sender: tuple[str, UUID, str | None] | None,
    now: datetime,
) -> None:
    offered_to, gen = conversation.agent_id, conversation.gen
    conversation.state = lifecycle.after(conversation.state, "leave")
    conversation.agent_id = None
    conversation.offer_expires_at = None
    conversation.passed_by = conversation.returns_at = None
    await episodes.finish(work.session, conversation, outcome, now)
    data = {"by": "visitor" if sender else "system", "reason": "left" if sender else outcome, "agent": None}
    if sender is None:
        lines.append(work, conversation, lines.PUBLIC, "closed", data, now)
    else:
        lines.append(work, conversation, lines.PUBLIC, "closed", data, now, sender=sender)
    changed(work, conversation, now, offered_to)
    if offered_to is not None:
        await free_slot(work.session, AgentId(offered_to))
        work.record(OfferWithdrawn(ConversationId(conversation.id), AgentId(offered_to), gen, "left"))
        work.record(LoadChanged(AgentId(offered_to)))
    work.record(unqueued(conversation))


async def requeue(work: Work, conversation: Conversation, reason: str, now: datetime) -> None:
    """Take a locked active conversation from its agent and put it back at its old place."""
    agent_id = conversation.agent_id
    assert agent_id is not None, "an active conversation has an agent"
    conversation.state = lifecycle.after(conversation.state, "requeue")
    conversation.agent_id = None
    await episodes.end_stint(work.session, conversation, reason, now)
    await free_slot(work.session, AgentId(agent_id))
    lines.append(work, conversation, lines.PUBLIC, "requeued", {"reason": reason}, now)
    changed(work, conversation, now, agent_id)
    work.record(LoadChanged(AgentId(agent_id)))
    work.record(queued(conversation))


async def done(work: Work, conversation: Conversation, agent: Actor, now: datetime) -> None:
    """An offline message needs no answer any more."""
    if conversation.left_message:
        conversation.left_message = False
        changed(work, conversation, now, agent.id)


def queued(conversation: Conversation) -> ConversationQueued:
    """Return the fact that a conversation waits in its lane."""
    return ConversationQueued(ConversationId(conversation.id), TeamId(conversation.team_id))


def unqueued(conversation: Conversation) -> ConversationUnqueued:
    """Return the fact that a conversation waits no more in its lane."""
    return ConversationUnqueued(
        ConversationId(conversation.id), TeamId(conversation.team_id), tuple(conversation.skills)
    )
