"""Offers in Postgres: claimed by compare-and-set, taken back when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat import lifecycle, lines
from app.chat.conversations import Actor, abandon, changed, queued, requeue, unqueued
from app.chat.events import OfferWithdrawn
from app.chat.models import COLUMNS, Conversation
from app.chat.transfer import give_back
from app.identity.capacity import free_slot
from app.identity.events import AgentChanged, LoadChanged
from app.identity.models import Agent, Team
from app.ids import AgentId, ConversationId
from app.infra.work import Work, WorkUnits
from app.routing.assignment import Pair
from app.routing.availability import ELIGIBLE, MAY_HAVE
from app.routing.events import OfferMade
from app.routing.patience import DECLINED_S, MOST_MISSED, seconds_for
from app.routing.reason import Reasons

AGENT_GRACE_S = 30
VISITOR_GRACE_S = 60

# The whole condition stands in one statement, so that no two claims can both pass it.
_TAKE = text(
    f"""
UPDATE agent a SET load = a.load + 1, rev = a.rev + 1, last_assigned_at = :now
FROM conversation c JOIN team t ON t.id = c.team_id
WHERE a.id = :agent AND c.id = :conversation AND {ELIGIBLE} AND {MAY_HAVE}
  AND EXISTS (SELECT 1 FROM team_member tm WHERE tm.agent_id = a.id AND tm.team_id = t.id)
RETURNING a.name
"""
)
_MISSED = text(
    """
UPDATE agent SET missed = missed + 1, rev = rev + 1, accepting = accepting AND missed + 1 < :most,
                 note = CASE WHEN missed + 1 < :most THEN note ELSE :note END
WHERE id = :agent
"""
)

# What was passed to an agent is for them to decide, whatever their team does with its line.
_STANDING = text(
    """
SELECT c.id, c.gen, c.offer_expires_at,
       CASE WHEN c.passed_by IS NOT NULL AND c.returns_at IS NULL THEN 'offer' ELSE t.mode END AS mode
FROM conversation c JOIN team t ON t.id = c.team_id WHERE c.agent_id = :agent AND c.state = 'offered'
"""
)

# Whose person no process names any more, not even one whose lease ran out. `seen_at` is dated when a process lets
# somebody go, so only then does the grace begin.
_ABSENT = "NOT EXISTS (SELECT 1 FROM presence here WHERE here.subject = p.id) AND " + (
    "coalesce(p.seen_at, '-infinity') < now() - interval '{} seconds'"
)
_OF_GONE_AGENT = text(
    f"""
SELECT {COLUMNS} FROM conversation c JOIN agent p ON p.id = c.agent_id
WHERE c.state = 'active' AND {_ABSENT.format(AGENT_GRACE_S)} LIMIT 1 FOR NO KEY UPDATE OF c SKIP LOCKED
"""
)
# Of all who wait nearly everybody is there: that is asked of two indexes alone, before any row is read; without OFFSET
# 0 of all presences, for each stretch.
_AWAY = text(
    """
WITH stretch AS MATERIALIZED (
    SELECT w.team_id, w.visitor_id FROM conversation w
    WHERE w.state IN ('waiting', 'offered') AND (w.team_id, w.visitor_id) > (:team, :visitor)
    ORDER BY w.team_id, w.visitor_id LIMIT :most
)
SELECT ARRAY(
    SELECT s.visitor_id FROM stretch s
    WHERE NOT EXISTS (SELECT 1 FROM presence here WHERE here.subject = s.visitor_id OFFSET 0)
) AS away,
(SELECT ARRAY[s.team_id, s.visitor_id] FROM stretch s ORDER BY s.team_id, s.visitor_id OFFSET :most - 1) AS last
"""
)
_OF_GONE_VISITOR = text(
    f"""
SELECT {COLUMNS} FROM conversation c JOIN visitor p ON p.id = c.visitor_id
WHERE c.visitor_id = ANY (:away) AND c.state IN ('waiting', 'offered') AND {_ABSENT.format(VISITOR_GRACE_S)}
LIMIT 1 FOR NO KEY UPDATE OF c SKIP LOCKED
"""
)
STRETCH = 2000
"""People looked at in one statement: a long one makes pairings wait."""


async def offer_pairs(work: Work, pairs: Sequence[Pair], now: datetime, took_ms: float = 0.0) -> list[Pair]:
    """Turn proposals into offers, all in one transaction; return those that Postgres refused.

    Conversations are locked before agents, each in id order, so that claims cannot deadlock.

    Args:
        took_ms: how long it took to propose them, for the record.
    """
    session = work.session
    found = await session.execute(
        select(Conversation, Team)
        .join(Team, Team.id == Conversation.team_id)
        .where(Conversation.id.in_([UUID(p.conversation) for p in pairs]), Conversation.state == "waiting")
        .order_by(Conversation.id)
        .with_for_update(key_share=True, of=Conversation)
    )
    waiting = {str(conversation.id): (conversation, team) for conversation, team in found}
    agents = sorted({UUID(p.agent) for p in pairs if p.conversation in waiting})
    # Even one: whoever waits for the row in _TAKE would count their chats, and see them here, as it was before.
    await session.execute(
        select(Agent.id).where(Agent.id.in_(agents)).order_by(Agent.id).with_for_update(key_share=True)
    )
    reasons, refused = Reasons(session), list[Pair]()
    for team in {team.id: team for _, team in waiting.values()}.values():
        await reasons.read(team)
    for pair in pairs:
        if pair.conversation not in waiting:
            refused.append(pair)
            continue
        conversation, team = waiting.pop(pair.conversation)
        # What this transaction has offered already counts in the next one's room and reasons.
        await session.flush()
        agent_id = AgentId(UUID(pair.agent))
        taken = await session.execute(_TAKE, {"agent": agent_id, "conversation": conversation.id, "now": now})
        name = taken.scalar_one_or_none()
        if name is None:
            refused.append(pair)
            continue
        why = await reasons.of(conversation, team, agent_id, now, took_ms)
        offer(work, conversation, agent_id, name, team.mode, now, why)
        work.record(unqueued(conversation))
    return refused


def offer(
    work: Work,
    conversation: Conversation,
    agent_id: AgentId,
    name: str,
    mode: str,
    now: datetime,
    why: dict[str, Any] | None = None,
    by: Actor | None = None,
) -> None:
    """Put a waiting, locked conversation before an agent whose slot is taken.

    Args:
        why: what `Reasons` say of it; None when a person chose the agent.
        by: the person who did, if it was not the agent who had it before.
    """
    seconds = seconds_for(mode)
    conversation.state = lifecycle.after(conversation.state, "offer")
    conversation.agent_id = agent_id
    conversation.offer_expires_at = now + timedelta(seconds=seconds)
    changed(work, conversation, now, agent_id)
    data: dict[str, Any] = {"agent": {"id": str(agent_id), "name": name}, "gen": conversation.gen}
    if why is not None:
        data["why"] = why
    if by is not None:
        data["by"] = by.shown
    lines.append(work, conversation, lines.INTERNAL, "offered", data, now)
    work.record(OfferMade(ConversationId(conversation.id), agent_id, conversation.gen, mode, seconds * 1000))
    work.record(LoadChanged(agent_id))


async def standing_offers(session: AsyncSession, agent_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """Return the offers before an agent, as their snapshot shows them."""
    rows = await session.execute(_STANDING, {"agent": agent_id})
    return [
        {
            "c": str(row.id),
            "gen": row.gen,
            "mode": row.mode,
            "ttl_ms": max(0, round((row.offer_expires_at - now).total_seconds() * 1000)),
        }
        for row in rows
    ]


async def decline(work: Work, conversation: Conversation, gen: int, agent_id: AgentId, now: datetime) -> None:
    """The agent gives the offer of a locked conversation back.

    Raises:
        Conflict: `stale`: the offer is off, or was not theirs.
    """
    lifecycle.check_generation(conversation.gen, gen if conversation.agent_id == agent_id else -1)
    await _miss(work, conversation, "declined", now)
    # Only now: with a colleague's transfer both agents are locked there, in order.
    await work.session.execute(update(Agent).where(Agent.id == agent_id, Agent.missed > 0).values(missed=0))


async def expire_offer(work: Work, now: datetime) -> bool:
    """Take back an offer that nobody confirmed; after the last they may miss, its agent gets no more until they say so.

    One a transaction: two conversations' agents, locked in the order of the conversations, could deadlock.

    Returns:
        Whether there was one.
    """
    conversation = await work.session.scalar(
        select(Conversation)
        .where(Conversation.state == "offered", Conversation.offer_expires_at < now)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if conversation is None:
        return False
    agent_id, passed = conversation.agent_id, _was_passed_to_agent(conversation)
    by_hand = await _asks(work.session, conversation)
    assert agent_id is not None, "an offered conversation has an agent"
    await _miss(work, conversation, "expired", now)
    if passed:
        # Somebody asked them; that they had no time for it says nothing about the line.
        return True
    await work.session.execute(
        _MISSED,
        {"agent": agent_id, "most": MOST_MISSED if by_hand else 1, "note": "missed" if by_hand else "unresponsive"},
    )
    work.record(AgentChanged(AgentId(agent_id)))
    return True


async def _asks(session: AsyncSession, conversation: Conversation) -> bool:
    """Tell whether a conversation's team lets its agents accept or decline."""
    return await session.scalar(select(Team.mode).where(Team.id == conversation.team_id)) == "offer"


async def _miss(work: Work, conversation: Conversation, reason: str, now: datetime) -> None:
    agent_id, gen, passed = conversation.agent_id, conversation.gen, _was_passed_to_agent(conversation)
    if passed:
        # Both lose or get a slot; locked in id order, as everywhere.
        both = select(Agent.id).where(Agent.id.in_([agent_id, conversation.passed_by])).order_by(Agent.id)
        await work.session.execute(both.with_for_update(key_share=True))
    conversation.state = lifecycle.after(conversation.state, "miss")
    assert agent_id is not None, "an offered conversation has an agent"
    conversation.agent_id = None
    conversation.offer_expires_at = None
    conversation.reserved_for = conversation.reserved_until = None
    # Where offers are confirmed by themselves, who is silent gets nothing at all until they say so.
    if not passed and (reason == "declined" or await _asks(work.session, conversation)):
        _not_again(conversation, agent_id, now)
    await free_slot(work.session, AgentId(agent_id))
    name = await work.session.scalar(select(Agent.name).where(Agent.id == agent_id))
    data = {"agent": {"id": str(agent_id), "name": name}, "reason": reason, "passed": passed}
    lines.append(work, conversation, lines.INTERNAL, "missed", data, now)
    changed(work, conversation, now, agent_id)
    work.record(OfferWithdrawn(ConversationId(conversation.id), AgentId(agent_id), gen, reason))
    work.record(LoadChanged(AgentId(agent_id)))
    if passed:
        if await give_back(work, conversation, now):
            return
        # Nobody is there to get it back: it goes on in line, but not to whoever has just left it.
        _not_again(conversation, agent_id, now)
    work.record(queued(conversation))


def _not_again(conversation: Conversation, agent_id: UUID, now: datetime) -> None:
    """Keep a conversation from an agent for a while.

    One moment for all of them: a row of declines must not keep the first of them out for longer and longer. Once it has
    passed, while this one thought about it, another minute begins. Of what was passed to their team that moment is when
    it goes back; who declines in the last minute before has theirs, should it then stay in line.
    """
    theirs = now + timedelta(seconds=DECLINED_S)
    if conversation.declined_until is None or conversation.declined_until <= now:
        conversation.declined, conversation.declined_until = [], theirs
    elif conversation.returns_at is not None:
        conversation.declined_until = max(conversation.declined_until, theirs)
    conversation.declined = sorted({*conversation.declined, agent_id})


def _was_passed_to_agent(conversation: Conversation) -> bool:
    return conversation.passed_by is not None and conversation.returns_at is None


async def requeue_from_gone_agent(work: Work, now: datetime) -> bool:
    """Put a conversation back, at its old place, whose agent has not been connected for AGENT_GRACE_S.

    Returns:
        Whether there was one.
    """
    conversation = await work.session.scalar(select(Conversation).from_statement(_OF_GONE_AGENT))
    if conversation is not None:
        await requeue(work, conversation, "agent_gone", now)
    return conversation is not None


async def unserved_and_away(work: WorkUnits, rest_s: float) -> AsyncGenerator[list[UUID]]:
    """Yield the visitors whom nobody serves yet and who have no socket, a stretch after the other.

    Args:
        rest_s: pause between two stretches.

    Raises:
        Unavailable: Postgres is away.
    """
    last: list[UUID] | None = [UUID(int=0), UUID(int=0)]
    while last is not None:
        async with work.reading() as session:
            place = {"team": last[0], "visitor": last[1], "most": STRETCH}
            away, last = (await session.execute(_AWAY, place)).one()
        if away:
            yield away
        if last is not None:
            await asyncio.sleep(rest_s)


async def abandon_for_gone_visitor(work: Work, now: datetime, away: Sequence[UUID]) -> bool:
    """Take a conversation out of line whose visitor, one of those, has not been connected for VISITOR_GRACE_S.

    Returns:
        Whether there was one.
    """
    found = select(Conversation).from_statement(_OF_GONE_VISITOR)
    conversation = await work.session.scalar(found, {"away": away})
    if conversation is not None:
        await abandon(work, conversation, now)
    return conversation is not None
