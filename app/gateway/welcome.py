"""The hello: who is it, what is their world, what did they miss."""

from __future__ import annotations

import asyncio
import time
from typing import Literal
from uuid import UUID

import structlog
from msgspec import UNSET
from sqlalchemy import text

from app import clock
from app.chat.conversations import Actor
from app.chat.heads import Head, heads_for_agent, visitor_row, visitor_view
from app.chat.messages import lane_heads
from app.chat.wire import encode
from app.clock import to_ms
from app.contacts.visitors import Known
from app.errors import Limited, Unauthorized, Unavailable
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.following import Following
from app.gateway.people import Guest, Host
from app.identity.tokens import VisitorClaim, consume_ticket, read_visitor_token
from app.ids import AgentId, ConversationId, TeamId
from app.infra.keys import agent_topic, team_topic, visitor_topic
from app.protocol.frames import Hello, Ok, Position
from app.protocol.session import Role
from app.routing.availability import status_of
from app.routing.offers import standing_offers

log = structlog.get_logger()

NEWEST = 50
"""Events a visitor gets who has none yet."""
VISITOR_SOCKETS = 5
AGENT_SOCKETS = 20


async def welcome(desk: Desk, following: Following, connection: Connection, hello: Hello) -> None:
    """Answer a hello with `ok`, a snapshot and what was missed.

    Raises:
        Unauthorized: the credential does not count.
        Limited: too many sockets, or too often.
        Unavailable: Postgres is away.
    """
    try:
        claim = read_visitor_token(desk.secret, hello.token, clock.now())
    except Unauthorized:
        async with desk.reception.agents:
            host = await _host(desk, hello.token)
            _check_pace(desk, host.id, "agent")
            if desk.roster.sockets(host.id) >= AGENT_SOCKETS:
                raise Limited("There are too many connections for this agent.") from None
            await _welcome_agent(desk, following, connection, hello, host)
    else:
        _check_pace(desk, claim.visitor_id, "visitor")
        guest = await _guest(desk, claim)
        if desk.roster.sockets(guest.id) >= VISITOR_SOCKETS:
            raise Limited("This chat is open in too many windows.")
        await _welcome_visitor(desk, following, connection, hello, guest)


def _check_pace(desk: Desk, subject: UUID, kind: Literal["visitor", "agent"]) -> None:
    now = time.monotonic()
    wait_s = desk.allowances.of(subject, kind, now).hellos.take(now)
    if wait_s:
        raise Limited("That is too often; one moment.", retry_after_s=wait_s)


async def _guest(desk: Desk, claim: VisitorClaim) -> Guest:
    world = await desk.reception.world_of(claim.visitor_id)
    if world is None or (world.known.epoch, world.known.site_id) != (claim.epoch, claim.site_id):
        raise Unauthorized
    known, row = world.known, world.row
    guest = Guest(known.id, known.site_id, TeamId(world.team_id), known.team_id, known.name)
    if row is not None:
        guest.lane = row.lane
        guest.conversation_id = ConversationId(row.id)
        guest.now_at(row.gen, row.state)
    return guest


async def _host(desk: Desk, ticket: str) -> Host:
    async with desk.work.begin() as work:
        session = await consume_ticket(work.session, ticket, clock.now())
        status = await status_of(work.session, session.agent_id)
    actor = Actor(AgentId(session.agent_id), str(status.me["name"]))
    return Host(actor, session.id, set(status.team_ids))


async def _welcome_visitor(
    desk: Desk, following: Following, connection: Connection, hello: Hello, guest: Guest
) -> None:
    connection.who = guest
    connection.session.greet(Role.VISITOR)
    desk.roster.enter(guest.id, "visitor", announce=guest.state != "closed")
    connection.hold()
    known = guest.conversation_id
    await asyncio.gather(
        desk.hub.join(connection, visitor_topic(guest.id)),
        desk.waiting_room.enter(connection, guest),
        *([following.begin(connection, known, 0)] if known is not None else ()),
    )
    # Once more: from here on nothing happens that is not heard.
    world = await desk.reception.world_of(guest.id)
    if world is None:
        raise Unauthorized
    row, here = world.row, world.availability
    if guest.team_id == world.team_id:
        guest.availability = here
    if row is not None and row.state == "closed" and row.episode_agent and not row.rating_prompted_at:
        async with desk.work.begin() as work:
            await work.session.execute(
                text("UPDATE episode SET rating_prompted_at = now() WHERE id = :id"), {"id": row.episode_id}
            )
    if row is not None:
        guest.now_at(row.gen, row.state)
    if row is not None and row.state in ("waiting", "offered"):
        desk.waiting_room.moved(guest.team_id)
        guest.position = (await desk.queue.positions(row.lane, [row.id]))[0]
    connection.batch = "batch" in hello.caps
    connection.release(
        encode(Ok(id=hello.id)),
        encode(
            {
                "t": "snapshot",
                "role": "visitor",
                "now": to_ms(clock.now()),
                "visitor": _details(world.known),
                "available": here.now,
                "opens_at": here.opens_at,
                "full": here.full,
                "conversation": visitor_view(row, guest.position) if row is not None else None,
            }
        ),
    )
    if row is not None:
        if known is None:
            await following.begin(connection, row.id, 0)
            guest.conversation_id = ConversationId(row.id)
            async with desk.work.reading() as session:
                row = await visitor_row(session, guest.id)
            assert row is not None, "conversations are not deleted while their visitor is here"
        have = hello.pos.get(row.id, Position()).public
        if have is UNSET:
            have = max(0, row.public_seq - NEWEST)
        following.go_live(connection, row.id, 0, min(have, row.public_seq), row.public_seq)


def _details(visitor: Known) -> dict[str, object]:
    return {"id": str(visitor.id), "name": visitor.name, "email": visitor.email, "verified": visitor.verified}


async def _welcome_agent(desk: Desk, following: Following, connection: Connection, hello: Hello, host: Host) -> None:
    connection.who = host
    connection.session.greet(Role.AGENT)
    connection.batch = "batch" in hello.caps
    desk.roster.enter(host.id, "agent", announce=True)
    connection.push(encode(Ok(id=hello.id)))
    connection.hold()
    host.pos = dict(hello.pos)
    await desk.hub.join(connection, agent_topic(host.id))
    # Whoever sees the snapshot is there: the next visitor is not told that nobody is.
    await desk.roster.announced(host.id)
    await send_agent_snapshot(desk, following, connection, host)


async def send_agent_snapshot(desk: Desk, following: Following, connection: Connection, host: Host) -> None:
    """Send an agent's world and follow the conversations active with them.

    What is told meanwhile may be older or newer than the snapshot: it comes after it, and the newest rule decides.
    """
    connection.hold()
    async with desk.work.reading() as session:
        host.team_ids = set((await status_of(session, host.id)).team_ids)
    await asyncio.gather(*(desk.hub.join(connection, team_topic(team_id)) for team_id in host.team_ids))
    async with desk.work.reading() as session:
        status = await status_of(session, host.id)
        heads = await heads_for_agent(session, host.id, list(host.team_ids), everybodys=status.steers)
        offers = await standing_offers(session, host.id, clock.now())
        host.offers = {UUID(offer["c"]): offer["gen"] for offer in offers}
    mine = [head for head in heads if head["state"] == "active" and _owner(head) == str(host.id)]
    fresh = [head for head in mine if UUID(head["c"]) not in host.mine]
    for head in fresh:
        host.mine.add(UUID(head["c"]))
        host.gens[UUID(head["c"])] = head["gen"]
    await asyncio.gather(*(begin_both(following, connection, UUID(head["c"])) for head in fresh))
    connection.release(
        encode(
            {
                "t": "snapshot",
                "role": "agent",
                "now": to_ms(clock.now()),
                "me": status.me,
                "teams": status.teams,
                "heads": heads,
                "offers": offers,
            }
        )
    )
    have = {UUID(h["c"]): places(h["public"], h["internal"], host.pos.pop(UUID(h["c"]), Position())) for h in fresh}
    await go_live_both(desk, following, connection, have)


async def begin_both(following: Following, connection: Connection, conversation_id: UUID) -> None:
    """Subscribe to both lanes of a conversation; `go_live_both` lets the events through."""
    await following.begin(connection, conversation_id, 0)
    await following.begin(connection, conversation_id, 1)


async def go_live_both(
    desk: Desk, following: Following, connection: Connection, have: dict[UUID, tuple[int, int]]
) -> None:
    """Let both lanes of an agent's conversations go live, from the given (public, internal) positions.

    What stopped being theirs since `begin_both` was called is left: `stop` finds only lanes that have begun.
    """
    if not have:
        return
    ends = await ends_of(desk, have)
    host = connection.who
    assert isinstance(host, Host), "visitors follow one lane"
    for conversation_id, places in have.items():
        if conversation_id not in host.mine | host.watched:
            following.abandon(connection, conversation_id)
            continue
        for lane in (0, 1):
            following.go_live(connection, conversation_id, lane, places[lane], ends[conversation_id][lane])


async def ends_of(desk: Desk, have: dict[UUID, tuple[int, int]]) -> dict[UUID, tuple[int, int]]:
    """Return the ends of lanes; while Postgres is away what is known of them, so that live events get through."""
    try:
        async with desk.work.reading() as session:
            return await lane_heads(session, list(have))
    except Unavailable as error:
        log.warning("welcome.ends_unknown", error=error.message)
        return have


def places(public: int, internal: int, known: Position) -> tuple[int, int]:
    """Return where a client stands in (public, internal): where it says, at most at the head that it is given."""
    return (
        public if known.public is UNSET else min(known.public, public),
        internal if known.internal is UNSET else min(known.internal, internal),
    )


def _owner(head: Head) -> str | None:
    return head["agent"]["id"] if head["agent"] else None
