"""What a visitor may ask for."""

from __future__ import annotations

from uuid import UUID

from app import clock
from app.chat import conversations, offline
from app.chat.access import conversation_for_visitor
from app.chat.heads import visitor_row, visitor_view
from app.chat.wire import encode
from app.contacts.visitors import introduce, visitor_by_id
from app.errors import Invalid
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.fanout import follow_public
from app.gateway.following import Following
from app.gateway.people import Guest
from app.identity.sites import site_by_id
from app.ids import ConversationId, TeamId
from app.infra.keys import lane_topic
from app.infra.limits import Limit
from app.protocol.codes import MAX_COMMENT, MAX_TEXT
from app.protocol.frames import End, Eph, From, Leave, LeaveMessage, Ok, PageChange, Rate, Start
from app.routing.entry import entry
from app.surveys.ratings import rate as store_rating
from app.text import clean_line, clean_text

EPISODES = Limit("episodes", 30, 3600)
"""Chats begun and messages left, by visitor."""


async def start(desk: Desk, following: Following, connection: Connection, guest: Guest, command: Start) -> None:
    """Ask for an agent.

    Raises:
        Conflict: `no_agents`: nobody is there.
        Invalid: a detail is wrong, or one that the site asks for is missing.
    """
    if guest.state == "closed":
        await desk.limits.hit(EPISODES, str(guest.id))
    async with desk.arrivals.begin() as work:
        visitor = await visitor_by_id(work.session, guest.id)
        site = await site_by_id(work.session, guest.site_id)
        introduce(visitor, command.name, command.email)
        if site.pre_chat == "required" and not (visitor.name and visitor.email):
            missing = "email" if visitor.name else "name"
            raise Invalid("Please give your name and e-mail address first.", field=missing)
        if command.page is not None:
            visitor.page_url, visitor.page_title = _page(command.page.url, command.page.title)
        now = clock.now()
        conversation = await conversations.of_visitor(work.session, visitor, site)
        dup = conversation.state != "closed"
        if not dup:
            place = await entry(work.session, site, conversation, command.language, now)
            await conversations.start(work, visitor, conversation, place, now)
    desk.roster.announce(guest.id)
    guest.name = visitor.name
    await desk.waiting_room.change_team(connection, guest, TeamId(conversation.team_id))
    guest.conversation_id = ConversationId(conversation.id)
    async with desk.arrivals.reading() as session:
        row = await visitor_row(session, guest.id)
    assert row is not None, "it was just made"
    guest.now_at(row.gen, row.state)
    guest.lane = row.lane
    if row.state in ("waiting", "offered"):
        guest.position = (await desk.queue.positions(row.lane, [row.id]))[0]
    connection.push(
        encode(
            Ok(
                id=command.id,
                c=row.id,
                gen=row.gen,
                dup=dup,
                conversation=visitor_view(row, guest.position),
            )
        )
    )
    await follow_public(desk, following, connection, row.id)


async def leave_message(
    desk: Desk, following: Following, connection: Connection, guest: Guest, command: LeaveMessage
) -> None:
    """Leave a message while nobody is there, or instead of waiting."""
    text = clean_text(command.body.text, field="body.text", most=MAX_TEXT)
    await desk.limits.hit(EPISODES, str(guest.id))
    async with desk.work.begin() as work:
        visitor = await visitor_by_id(work.session, guest.id)
        site = await site_by_id(work.session, guest.site_id)
        conversation, seq, dup = await offline.leave_message(
            work,
            visitor,
            site,
            command.m,
            text,
            command.name,
            command.email,
            clock.now(),
            command.phone,
            command.instead,
        )
    guest.name = visitor.name
    guest.conversation_id = ConversationId(conversation.id)
    connection.push(encode(Ok(id=command.id, c=conversation.id, s=seq, dup=dup)))
    await follow_public(desk, following, connection, conversation.id)


async def end(desk: Desk, connection: Connection, guest: Guest, command: End | Leave) -> None:
    """End the chat, or give up waiting."""
    async with desk.work.begin() as work:
        conversation = await conversation_for_visitor(work.session, guest.id, command.c, locked=True)
        visitor = await visitor_by_id(work.session, guest.id)
        await conversations.end(work, conversation, visitor, clock.now())
    connection.push(encode(Ok(id=command.id, gen=conversation.gen)))


async def rate(desk: Desk, connection: Connection, guest: Guest, command: Rate) -> None:
    """Rate the latest closed episode."""
    comment = None
    if command.comment is not None:
        comment = clean_text(command.comment, field="comment", most=MAX_COMMENT, need=False) or None
    async with desk.work.begin() as work:
        conversation = await conversation_for_visitor(work.session, guest.id, command.c, locked=True)
        await store_rating(work, conversation, command.score, comment, clock.now())
    connection.push(encode(Ok(id=command.id)))


async def page(desk: Desk, connection: Connection, guest: Guest, command: PageChange) -> None:
    """The visitor is on another page now."""
    url, title = _page(command.url, command.title)
    async with desk.work.begin() as work:
        visitor = await visitor_by_id(work.session, guest.id)
        visitor.page_url, visitor.page_title = url, title
    connection.push(encode(Ok(id=command.id)))
    if guest.conversation_id is not None:
        tell_internal(desk, guest, guest.conversation_id, "page", {"url": url, "title": title})


def tell_internal(desk: Desk, guest: Guest, conversation_id: UUID, kind: str, data: dict[str, object]) -> None:
    """Tell the agents of a conversation something passing about its visitor."""
    frame = Eph(c=conversation_id, kind=kind, from_=From("visitor", guest.id, guest.name), data=data)  # pyright: ignore[reportArgumentType]
    desk.hub.tell(lane_topic(conversation_id, 1), encode(frame))


def _page(url: str, title: str) -> tuple[str, str]:
    if not url.startswith(("http://", "https://")):
        raise Invalid("A page's address starts with http:// or https://.", field="url")
    return (
        clean_line(url, field="url", most=2000),
        clean_line(title, field="title", most=200, need=False),
    )
