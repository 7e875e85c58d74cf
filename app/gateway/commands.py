"""The table of commands: which frame leads where."""

from __future__ import annotations

from uuid import UUID

from msgspec import Raw

from app.chat import messages
from app.chat.lines import LANES
from app.chat.read_marks import mark_read
from app.chat.wire import encode
from app.errors import Forbidden, Invalid
from app.gateway import agent_commands, visitor_commands
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.following import Following
from app.gateway.people import Guest, Host
from app.gateway.sending import check_access, send
from app.infra.keys import lane_topic
from app.protocol import frames
from app.protocol.codes import MAX_PAGE
from app.protocol.frames import Eph, From, Ok, Read, Sync, Typing


async def carry_out(desk: Desk, following: Following, connection: Connection, command: frames.AnyCommand) -> None:
    """Carry out a command that the session admitted, and answer it.

    Raises:
        DeskbellError: it was refused; nothing happened.
    """
    who = connection.who
    match command:
        # The commonest first.
        case frames.Send() | frames.Note():
            await send(desk, connection, command)
        case frames.Pong():
            return
        case frames.Typing():
            await typing(desk, connection, command)
        case frames.Read():
            await read(desk, connection, command)
        case frames.Sync():
            await sync(desk, connection, command)
        case _ if isinstance(who, Guest):
            await _of_visitor(desk, following, connection, who, command)
        case _ if isinstance(who, Host):
            await _of_agent(desk, following, connection, who, command)
        case _:
            raise Forbidden("That command is not for you.")


async def _of_visitor(
    desk: Desk, following: Following, connection: Connection, guest: Guest, command: frames.AnyCommand
) -> None:
    match command:
        case frames.Start():
            await visitor_commands.start(desk, following, connection, guest, command)
        case frames.LeaveMessage():
            await visitor_commands.leave_message(desk, following, connection, guest, command)
        case frames.End() | frames.Leave():
            await visitor_commands.end(desk, connection, guest, command)
        case frames.Rate():
            await visitor_commands.rate(desk, connection, guest, command)
        case frames.PageChange():
            await visitor_commands.page(desk, connection, guest, command)
        case _:
            raise Forbidden("That command is not for you.")


async def _of_agent(
    desk: Desk, following: Following, connection: Connection, host: Host, command: frames.AnyCommand
) -> None:
    match command:
        case frames.OfferAccept() | frames.Claim() | frames.CloseConversation() | frames.Reopen():
            await agent_commands.move(desk, connection, host, command)
        case frames.Transfer():
            await agent_commands.transfer(desk, connection, host, command)
        case frames.TakeOver():
            await agent_commands.take_over(desk, connection, host, command)
        case frames.Assign():
            await agent_commands.assign(desk, connection, host, command)
        case frames.OfferDecline():
            await agent_commands.decline_offer(desk, connection, host, command)
        case frames.Status():
            await agent_commands.status(desk, connection, host, command)
        case frames.Done():
            await agent_commands.done(desk, connection, host, command)
        case frames.Watch():
            await agent_commands.watch(desk, following, connection, host, command)
        case frames.Unwatch():
            await agent_commands.unwatch(desk, following, connection, host, command)
        case _:
            raise Forbidden("That command is not for you.")


async def typing(desk: Desk, connection: Connection, command: Typing) -> None:
    """Pass on that somebody types: the visitor's on the internal lane's channel, the agent's on the public one."""
    await check_access(desk, connection, command.c)
    connection.push(encode(Ok(id=command.id)))
    tell_passing(desk, connection, command.c, "typing", {"on": command.on})


async def read(desk: Desk, connection: Connection, command: Read) -> None:
    """Move the reader's mark."""
    await check_access(desk, connection, command.c)
    side = "visitor" if isinstance(connection.who, Guest) else "agent"
    async with desk.work.begin() as work:
        moved = await mark_read(work.session, command.c, side, command.s)
    connection.push(encode(Ok(id=command.id)))
    if moved is not None:
        tell_passing(desk, connection, command.c, "read", {"by": side, "s": moved}, lane=0)


async def sync(desk: Desk, connection: Connection, command: Sync) -> None:
    """Answer with a page of a lane.

    Raises:
        Forbidden: a visitor asked for the internal lane.
        Invalid: both `after` and `before`.
    """
    await check_access(desk, connection, command.c)
    lane = LANES.index(command.lane)
    if lane == 1 and isinstance(connection.who, Guest):
        raise Forbidden("That command is not for you.")
    if command.after is not None and command.before is not None:
        raise Invalid("Either after or before, not both.", field="before")
    await connection.drained()
    limit = min(command.limit, MAX_PAGE)
    async with desk.work.reading() as session:
        head = (await messages.lane_heads(session, [command.c]))[command.c][lane]
        if command.after is not None:
            page = await messages.page_after(session, command.c, lane, command.after, limit)
        else:
            before = command.before if command.before is not None else head + 1
            page = await messages.page_before(session, command.c, lane, before, limit)
    connection.push(
        encode(Ok(id=command.id, events=[Raw(frame) for _, frame in page.events], head=head, more=page.more))
    )


def tell_passing(
    desk: Desk,
    connection: Connection,
    conversation_id: UUID,
    kind: str,
    data: dict[str, object],
    lane: int | None = None,
) -> None:
    """Tell the others in a conversation something passing; what a visitor types is for agents only."""
    who = connection.who
    assert who is not None, "a command comes after the hello"
    if lane is None:
        lane = 1 if isinstance(who, Guest) else 0
    kind_of_sender, sender_id, name = who.sender
    frame = encode(
        Eph(c=conversation_id, kind=kind, from_=From(kind_of_sender, sender_id, name), data=data)  # pyright: ignore[reportArgumentType]
    )
    desk.hub.tell(lane_topic(conversation_id, lane), frame, but=connection)
