"""What an agent may ask for."""

from __future__ import annotations

from uuid import UUID

from app import clock
from app.chat import conversations
from app.chat import transfer as transfers
from app.chat.access import conversation_for_agent
from app.chat.heads import heads_by_id
from app.chat.models import Conversation
from app.chat.wire import encode
from app.errors import Forbidden, Invalid
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.following import Following
from app.gateway.people import Host
from app.gateway.welcome import begin_both, go_live_both, places
from app.identity.agents import role_of
from app.identity.events import AgentChanged
from app.identity.permissions import May, may
from app.infra.work import Work
from app.protocol.codes import MAX_TEXT
from app.protocol.frames import (
    Assign,
    Claim,
    CloseConversation,
    Done,
    OfferAccept,
    OfferDecline,
    Ok,
    Position,
    Reopen,
    Status,
    TakeOver,
    Transfer,
    Unwatch,
    Watch,
)
from app.routing.availability import set_accepting
from app.routing.offers import decline
from app.routing.transfers import assign as assign_waiting
from app.routing.transfers import pass_to_agent, pass_to_team
from app.text import clean_text


async def move(
    desk: Desk, connection: Connection, host: Host, command: OfferAccept | Claim | CloseConversation | Reopen
) -> None:
    """Accept, claim, close or reopen.

    Raises:
        NotFound: not a conversation of theirs or their teams.
        Conflict: `stale`, `at_capacity`, `not_yours`, `conversation_closed`.
    """
    async with desk.work.begin() as work:
        conversation = await _locked(work, host, command.c)
        act = {
            OfferAccept: conversations.accept,
            Claim: conversations.claim,
            CloseConversation: conversations.close,
            Reopen: conversations.reopen,
        }[type(command)]
        await act(work, conversation, command.gen, host.actor, clock.now())
    # Its head comes a little later; the client may speak as soon as it has this answer.
    host.learn(command.c, conversation.gen)
    connection.push(encode(Ok(id=command.id, gen=conversation.gen)))


async def decline_offer(desk: Desk, connection: Connection, host: Host, command: OfferDecline) -> None:
    """Give an offer back."""
    async with desk.work.begin() as work:
        conversation = await _locked(work, host, command.c)
        await decline(work, conversation, command.gen, host.actor.id, clock.now())
    connection.push(encode(Ok(id=command.id, gen=conversation.gen)))


async def transfer(desk: Desk, connection: Connection, host: Host, command: Transfer) -> None:
    """Pass a conversation on, to an agent or a team.

    Raises:
        Invalid: neither or both are named, or what is named cannot be chosen.
        NotFound, Conflict: as in `app.routing.transfers`.
    """
    note = clean_text(command.note, field="note", most=MAX_TEXT) if command.note.strip() else ""
    async with desk.work.begin() as work:
        conversation = await _locked(work, host, command.c)
        fence = (conversation, command.gen, host.actor)
        match command.agent, command.team:
            case UUID() as agent_id, None:
                await pass_to_agent(work, *fence, agent_id, note, clock.now())
            case None, UUID() as team_id:
                await pass_to_team(work, *fence, team_id, note, clock.now())
            case _:
                raise Invalid("Name an agent or a team.", field="agent")
    connection.push(encode(Ok(id=command.id, gen=conversation.gen)))


async def take_over(desk: Desk, connection: Connection, host: Host, command: TakeOver) -> None:
    """Take an active conversation from another agent.

    Raises:
        Forbidden: their role does not allow it.
        NotFound, Invalid, Conflict: as in `app.chat.transfer`.
    """
    async with desk.work.begin() as work:
        await _may_steer(work, host)
        conversation = await _locked(work, host, command.c)
        await transfers.take_over(work, conversation, command.gen, host.actor, clock.now())
    host.learn(command.c, conversation.gen)
    connection.push(encode(Ok(id=command.id, gen=conversation.gen)))


async def assign(desk: Desk, connection: Connection, host: Host, command: Assign) -> None:
    """Give a waiting conversation to an agent.

    Raises:
        Forbidden: their role does not allow it.
        NotFound, Conflict: as in `app.routing.transfers`.
    """
    async with desk.work.begin() as work:
        await _may_steer(work, host)
        conversation = await _locked(work, host, command.c)
        await assign_waiting(work, conversation, command.gen, command.agent, host.actor, clock.now())
    connection.push(encode(Ok(id=command.id, gen=conversation.gen)))


async def done(desk: Desk, connection: Connection, host: Host, command: Done) -> None:
    """An offline message needs no answer any more."""
    async with desk.work.begin() as work:
        conversation = await _locked(work, host, command.c)
        await conversations.done(work, conversation, host.actor, clock.now())
    connection.push(encode(Ok(id=command.id, gen=conversation.gen)))


async def status(desk: Desk, connection: Connection, host: Host, command: Status) -> None:
    """Turn new chats on or off."""
    async with desk.work.begin() as work:
        await set_accepting(work.session, host.id, command.accept)
        work.record(AgentChanged(host.actor.id))
    connection.push(encode(Ok(id=command.id)))


async def watch(desk: Desk, following: Following, connection: Connection, host: Host, command: Watch) -> None:
    """Follow a conversation that is not one's own."""
    async with desk.work.reading() as session:
        await conversation_for_agent(session, host.actor.id, host.team_ids, command.c)
    followed = command.c in host.mine or command.c in host.watched
    host.watched.add(command.c)
    try:
        if not followed:
            await begin_both(following, connection, command.c)
        async with desk.work.reading() as session:
            head = (await heads_by_id(session, [command.c]))[0]
    except BaseException:
        # A lane that never goes live would be deaf for good; the next attempt begins afresh.
        if not followed:
            host.watched.discard(command.c)
            following.abandon(connection, command.c)
        raise
    connection.push(encode(Ok(id=command.id, head=head)))
    if not followed:
        await go_live_both(
            desk,
            following,
            connection,
            {command.c: places(head["public"], head["internal"], command.pos or Position())},
        )


async def unwatch(desk: Desk, following: Following, connection: Connection, host: Host, command: Unwatch) -> None:
    """Stop following it."""
    host.watched.discard(command.c)
    if command.c not in host.mine:
        following.stop(connection, command.c)
    connection.push(encode(Ok(id=command.id)))


async def _may_steer(work: Work, host: Host) -> None:
    if not may(await role_of(work.session, host.actor.id), May.STEER_CHATS):
        raise Forbidden("Only supervisors may do this.")


async def _locked(work: Work, host: Host, conversation_id: UUID) -> Conversation:
    return await conversation_for_agent(work.session, host.actor.id, host.team_ids, conversation_id, locked=True)
