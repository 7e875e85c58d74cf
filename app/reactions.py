"""When this happened, who reacts: one table. Called after each commit, with the facts of that commit in order.

What other people should see is told at once; what the queue should do goes on in the background, so that nobody's
answer waits for Redis. The sweeper does again whatever a crash kept from happening.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.chat.events import (
    ConversationChanged,
    ConversationQueued,
    ConversationUnqueued,
    LineAppended,
    OfferWithdrawn,
)
from app.chat.heads import Head, heads_by_id
from app.chat.messages import key_at
from app.chat.wire import encode, line_frame
from app.errors import Unavailable
from app.events import Event
from app.identity.events import AgentChanged, LoadChanged, SessionsRevoked, TeamChanged
from app.identity.models import TeamMember
from app.infra.background import Background
from app.infra.gathering import Gathering
from app.infra.keys import agent_topic, queue_topic, team_topic, visitor_topic
from app.infra.outlet import Outlet
from app.infra.work import WorkUnits
from app.protocol.frames import HeadChanged, Offer, OfferGone
from app.routing.assignment import lane_of
from app.routing.availability import status_of, whose_visitors_come_to
from app.routing.events import OfferMade
from app.routing.queue import Queue

_MOVED = b"!moved"
MOST_HEADS = 100
DOUBT_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Pauses before the looks whether a commit that was not answered has been carried out."""


class Reactions:
    """The table, for one process. `connect` gives it the parts that are made after it."""

    _outlet: Outlet
    _queue: Queue
    _work: WorkUnits

    def __init__(self, background: Background) -> None:
        self._background = background
        self._table: dict[type[Event], Callable[[Any], None]] = {
            LineAppended: self._tell_line,
            ConversationChanged: self._tell_change,
            ConversationQueued: self._enqueue,
            ConversationUnqueued: self._unqueue,
            OfferMade: self._tell_offer,
            OfferWithdrawn: self._tell_withdrawal,
            AgentChanged: self._refresh_agent,
            LoadChanged: self._refresh_load,
            TeamChanged: self._refresh_team,
            SessionsRevoked: self._sign_out,
        }

    def connect(self, outlet: Outlet, queue: Queue, work: WorkUnits) -> None:
        """Say where to tell, which queue to keep, and how to read."""
        self._outlet, self._queue, self._work = outlet, queue, work
        # An offer and the change that it is are told at the same moment; so are those of everybody else.
        self._heads = Gathering(self._read_heads, MOST_HEADS)

    async def __call__(self, facts: Sequence[Event]) -> None:
        """React to the facts of one commit."""
        for fact in facts:
            react = self._table.get(type(fact))
            if react is not None:
                react(fact)

    async def in_doubt(self, facts: Sequence[Event]) -> None:
        """React to the facts of a commit that was not answered, if it was carried out: its line is there then.

        Nearly everything that others must hear of at once writes one. An offer that nobody hears of would cost its
        agent their place; the rest is found by the tail check and the sweeper.
        """
        line = next((fact for fact in facts if isinstance(fact, LineAppended)), None)
        if line is None:
            return
        for pause_s in DOUBT_S:
            await asyncio.sleep(pause_s)
            try:
                async with self._work.reading() as session:
                    there = await key_at(session, line.conversation_id, line.lane, line.seq)
            except Unavailable:
                continue
            if there is not None:
                if there == line.m:
                    await self(facts)
                return

    def _tell_line(self, fact: LineAppended) -> None:
        self._outlet.event(fact.conversation_id, fact.lane, fact.seq, line_frame(fact))

    def _tell_change(self, fact: ConversationChanged) -> None:
        signal = f"!conversation {fact.conversation_id} {fact.gen} {fact.state} {fact.lane}".encode()
        self._outlet.tell(visitor_topic(fact.visitor_id), signal)
        self._background(self._tell_head(fact.conversation_id, fact.team_id, fact.agents))

    async def _tell_head(self, conversation_id: UUID, team_id: UUID, agents: Sequence[UUID] = ()) -> None:
        head = await self._heads.ask(conversation_id)
        if head is None:
            return
        frame = encode(HeadChanged(head=head))
        self._outlet.tell(team_topic(team_id), frame)
        for agent_id in agents:
            self._outlet.tell(agent_topic(agent_id), frame)

    async def _read_heads(self, conversation_ids: list[UUID]) -> list[Head | None]:
        async with self._work.reading() as session:
            heads = {head["c"]: head for head in await heads_by_id(session, conversation_ids)}
        return [heads.get(str(each)) for each in conversation_ids]

    def _enqueue(self, fact: ConversationQueued) -> None:
        async def enqueue() -> None:
            await self._queue.bring([fact.conversation_id])
            self._outlet.tell(queue_topic(fact.team_id), _MOVED)

        self._background(enqueue())

    def _unqueue(self, fact: ConversationUnqueued) -> None:
        async def remove() -> None:
            await self._queue.remove(lane_of(str(fact.team_id), fact.skills), fact.conversation_id)
            self._outlet.tell(queue_topic(fact.team_id), _MOVED)

        self._background(remove())

    def _tell_offer(self, fact: OfferMade) -> None:
        async def tell() -> None:
            head = await self._heads.ask(fact.conversation_id)
            if head is not None:
                frame = Offer(c=fact.conversation_id, gen=fact.gen, mode=fact.mode, ttl_ms=fact.ttl_ms, head=head)
                self._outlet.tell(agent_topic(fact.agent_id), encode(frame))

        self._background(tell())

    def _tell_withdrawal(self, fact: OfferWithdrawn) -> None:
        frame = OfferGone(c=fact.conversation_id, gen=fact.gen, reason=fact.reason)  # pyright: ignore[reportArgumentType]
        self._outlet.tell(agent_topic(fact.agent_id), encode(frame))

    def _refresh_agent(self, fact: AgentChanged) -> None:
        async def refresh() -> None:
            self._outlet.tell(agent_topic(fact.agent_id), b"!me")
            await self._queue.refresh_agent(fact.agent_id)
            async with self._work.reading() as session:
                status = await status_of(session, fact.agent_id)
                teams = await whose_visitors_come_to(session, status.team_ids)
            for team_id in teams:
                self._outlet.tell(queue_topic(team_id), _MOVED)

        self._background(refresh())

    def _refresh_load(self, fact: LoadChanged) -> None:
        self._outlet.tell(agent_topic(fact.agent_id), b"!me")
        self._background(self._queue.refresh_agent(fact.agent_id))

    def _refresh_team(self, fact: TeamChanged) -> None:
        async def refresh() -> None:
            async with self._work.reading() as session:
                members = await session.scalars(select(TeamMember.agent_id).where(TeamMember.team_id == fact.team_id))
                agents = members.all()
                teams = await whose_visitors_come_to(session, [fact.team_id])
            for agent_id in agents:
                self._outlet.tell(agent_topic(agent_id), b"!me")
                await self._queue.refresh_agent(agent_id)
            # Its hours may be others now.
            for team_id in teams:
                self._outlet.tell(queue_topic(team_id), _MOVED)

        self._background(refresh())

    def _sign_out(self, fact: SessionsRevoked) -> None:
        sessions = " ".join(str(session) for session in fact.session_ids)
        word = "switched_off" if fact.switched_off else "signed_out"
        self._outlet.tell(agent_topic(fact.agent_id), f"!{word} {sessions}".encode())
