"""Who hears what: how a payload of a topic becomes a frame on one socket, or a change of what it follows."""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec

from app import clock
from app.chat.access import conversation_for_agent
from app.chat.heads import heads_by_id
from app.chat.wire import encode
from app.errors import NotFound
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.following import Following
from app.gateway.people import Guest, Host
from app.gateway.welcome import begin_both, ends_of, go_live_both, places, send_agent_snapshot
from app.ids import ConversationId, TeamId
from app.infra.keys import team_topic
from app.protocol.codes import Close
from app.protocol.frames import Me
from app.routing.availability import status_of
from app.routing.offers import standing_offers


class _Agent(msgspec.Struct):
    id: UUID


class _Head(msgspec.Struct):
    c: UUID
    gen: int
    state: str
    public: int
    internal: int
    agent: _Agent | None = None


class _HeadFrame(msgspec.Struct):
    head: _Head


class _OfferFrame(msgspec.Struct):
    c: UUID
    gen: int


_HEAD = msgspec.json.Decoder(_HeadFrame)
_OFFER = msgspec.json.Decoder(_OfferFrame)
OFFER_LATE_S = 1.0
"""How long an offer may come after the head that shows it. It is told once; when it is lost, its agent looks away."""


class Fanout:
    """Turns what a topic says into what a connection sends.

    Args:
        desk: this process's parts.
        following: keeps the lanes complete.
    """

    def __init__(self, desk: Desk, following: Following) -> None:
        self._desk = desk
        self._following = following

    def heard(self, connection: Connection, topic: str, payload: bytes) -> None:
        """A connection's topic said something that is not a numbered event."""
        if payload[:1] == b"{":
            if payload.startswith(b'{"t":"eph"'):
                if not _is_early(connection, topic):
                    connection.push_ephemeral(payload)
                return
            connection.push(payload)
            if payload.startswith(b'{"t":"head"') and isinstance(connection.who, Host):
                self._mind(connection, connection.who, _HEAD.decode(payload).head)
            elif payload.startswith(b'{"t":"offer",') and isinstance(connection.who, Host):
                offer = _OFFER.decode(payload)
                connection.who.offers[offer.c] = offer.gen
            return
        word, _, rest = payload[1:].decode().partition(" ")
        if word == "conversation" and isinstance(connection.who, Guest):
            self._conversation(connection, connection.who, *rest.split(" "))
        elif word == "me" and isinstance(connection.who, Host):
            connection.who.renewals += 1
            if connection.who.renewals == 1:
                self._desk.background(self._renew_me(connection, connection.who))
        elif (
            word in ("signed_out", "switched_off")
            and isinstance(connection.who, Host)
            and str(connection.who.session_id) in rest.split(" ")
        ):
            connection.close(Close.SIGNED_OUT if word == "signed_out" else Close.FORBIDDEN)

    def _conversation(
        self, connection: Connection, guest: Guest, conversation: str, gen: str, state: str, lane: str
    ) -> None:
        """The visitor's conversation is in another state, or has only now come to be."""
        conversation_id = UUID(conversation)
        if not guest.now_at(int(gen), state):
            return
        if state != "closed":
            self._desk.roster.announce(guest.id)
        if state != "waiting":
            guest.position = guest.told = None
        if state in ("active", "closed"):
            guest.choice = False
        if state == "closed":
            guest.availability = None
        guest.lane = lane
        team_id = guest.home_team_id if state == "closed" else TeamId(UUID(lane.partition("+")[0]))
        self._desk.background(self._desk.waiting_room.change_team(connection, guest, team_id))
        self._desk.waiting_room.moved(guest.team_id)
        if guest.conversation_id is None:
            guest.conversation_id = ConversationId(conversation_id)
            self._desk.background(self._follow_public(connection, conversation_id))

    async def _follow_public(self, connection: Connection, conversation_id: UUID) -> None:
        await follow_public(self._desk, self._following, connection, conversation_id)

    def _mind(self, connection: Connection, host: Host, head: _Head) -> None:
        """A head came by: follow what became this agent's, stop following what is theirs no more.

        Two processes may tell of two changes in the wrong order: only what is newer counts.
        """
        if head.gen < host.gens.get(head.c, 0):
            return
        theirs = head.agent is not None and head.agent.id == host.id
        if theirs and head.state == "offered" and host.offers.get(head.c, 0) < head.gen:
            self._desk.background(self._make_sure(connection, host, head))
        elif head.state != "offered" and head.c in host.offers:
            host.offers[head.c] = head.gen
        mine = theirs and head.state == "active"
        if mine or head.c in host.mine:
            host.gens[head.c] = head.gen
        if mine and head.c not in host.mine:
            host.mine.add(head.c)
            if head.c not in host.watched:
                self._desk.background(self._follow(connection, host, head))
        elif not mine and head.c in host.mine:
            host.mine.discard(head.c)
            if head.c not in host.watched:
                for lane, end in ((0, head.public), (1, head.internal)):
                    cursor = connection.cursors.get(f"c:{head.c}:{lane}")
                    if cursor is not None:
                        cursor.head = max(cursor.head, end)
                self._following.stop(connection, head.c)

    async def _follow(self, connection: Connection, host: Host, head: _Head) -> None:
        await begin_both(self._following, connection, head.c)
        before = self._following.left(connection, head.c)
        have = places(head.public, head.internal, host.pos.pop(head.c, before))
        await go_live_both(self._desk, self._following, connection, {head.c: have})

    async def _make_sure(self, connection: Connection, host: Host, head: _Head) -> None:
        """Tell an offer that its agent has only seen as a head."""
        await asyncio.sleep(OFFER_LATE_S)
        if not connection.open or host.offers.get(head.c, 0) >= head.gen:
            return
        async with self._desk.work.reading() as session:
            standing = await standing_offers(session, host.id, clock.now())
            heads = await heads_by_id(session, [head.c])
        for offer in standing:
            if (offer["c"], offer["gen"]) == (str(head.c), head.gen) and host.offers.get(head.c, 0) < head.gen:
                host.offers[head.c] = head.gen
                connection.push(encode({"t": "offer", **offer, "head": heads[0]}))

    async def _renew_me(self, connection: Connection, host: Host) -> None:
        """The agent's own row changed: tell them; another set of teams means another world.

        One after the other, and once for all changes of a moment: the last word is the newest.
        """
        told = 0
        try:
            while told != host.renewals and connection.open:
                told = host.renewals
                async with self._desk.work.reading() as session:
                    status = await status_of(session, host.id)
                if set(status.team_ids) != host.team_ids:
                    await self._change_teams(connection, host, set(status.team_ids))
                else:
                    connection.push(encode(Me(me=status.me)))
        finally:
            host.renewals = 0

    async def _change_teams(self, connection: Connection, host: Host, team_ids: set[UUID]) -> None:
        before = host.team_ids
        for team_id in host.team_ids - team_ids:
            self._desk.hub.leave(connection, team_topic(team_id))
        for conversation_id in list(host.watched):
            if not await self._may_see(host, team_ids, conversation_id):
                host.watched.discard(conversation_id)
                self._following.stop(connection, conversation_id)
        try:
            # Until it is told, the change is still to be told.
            host.team_ids = before
            await send_agent_snapshot(self._desk, self._following, connection, host)
        finally:
            connection.release()

    async def _may_see(self, host: Host, team_ids: set[UUID], conversation_id: UUID) -> bool:
        try:
            async with self._desk.work.reading() as session:
                await conversation_for_agent(session, host.actor.id, team_ids, conversation_id)
        except NotFound:
            return False
        return True


async def follow_public(desk: Desk, following: Following, connection: Connection, conversation_id: UUID) -> None:
    """Let a visitor's socket follow the conversation that was just begun, from its start."""
    if f"c:{conversation_id}:0" in connection.cursors:
        return
    await following.begin(connection, conversation_id, 0)
    ends = await ends_of(desk, {conversation_id: (0, 0)})
    following.go_live(connection, conversation_id, 0, 0, ends[conversation_id][0])


def _is_early(connection: Connection, topic: str) -> bool:
    """Whether a lane is still catching up: ephemerals about it would come before what they are about."""
    cursor = connection.cursors.get(topic)
    return cursor is None or cursor.fetching
