"""Messages and notes: from a frame to a draft in the journal, and from its outcome to `ok` or `err`."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from msgspec import UNSET

from app.canned.library import count_use
from app.canned.render import VARIABLES, names_in
from app.chat.access import conversation_for_agent, conversation_for_visitor
from app.chat.journal import Draft, Outcome
from app.chat.messages import is_stored
from app.chat.wire import encode
from app.errors import Conflict, DeskbellError, Forbidden, Invalid, Limited, NotFound
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.people import Guest, Host
from app.ids import ConversationId
from app.infra.keys import lane_topic
from app.protocol.codes import MAX_IN_FLIGHT, MAX_TEXT
from app.protocol.frames import Body, Note, Ok, Send
from app.text import clean_text

_REFUSALS: dict[str, tuple[str, str, bool]] = {
    "conflict": ("conflict", "That message was sent before with other words.", False),
    "closed": ("conversation_closed", "This chat has ended.", False),
    "not_yours": ("not_yours", "Another agent has this chat.", False),
    "not_found": ("not_found", "Not found.", False),
    "stale": ("stale", "This chat has changed since; send it again.", True),
    "unavailable": ("unavailable", "The server cannot save messages just now; yours is kept here.", True),
    "internal": ("internal", "Something went wrong on our side.", False),
}
_AGAIN_S = {"stale": 0.05, "unavailable": 1.0}
"""After how long what may come again should."""


async def send(desk: Desk, connection: Connection, command: Send | Note) -> None:
    """Put a message or note into the journal; its answer follows when it is decided.

    Raises:
        DeskbellError: it cannot be taken; nothing was stored.
    """
    who = connection.who
    assert who is not None, "a command comes after the hello"
    held = connection.held.get(command.c)
    if held is not None and held[1] != command.m:
        error = Conflict("An earlier message failed; send that one again first.", code="out_of_order")
        error.retry = True
        raise error
    try:
        _check_pace(connection, command.c)
        text = clean_text(command.body.text, field="body.text", most=MAX_TEXT)
        await _may_say(desk, connection, command)
        note = type(command) is Note
        waiting, gen = connection.in_flight.get(command.c) or (0, who.knows(command.c))
        draft = Draft(
            conversation_id=ConversationId(command.c),
            lane=1 if note else 0,
            kind="note" if note else "message",
            sender_kind="agent" if isinstance(who, Host) else "visitor",
            sender_id=who.id,
            sender_name=who.sender[2],
            m=command.m,
            body=_stored(who, command.body, text),
            done=lambda outcome: _decided(desk, connection, command, outcome),
            # The same for all that are on their way: if one is stale, a later one must not overtake it.
            gen=gen,
        )
        desk.journal.post(draft)
    except DeskbellError as error:
        if error.retry:
            connection.hold_back(command)
        elif held is not None:
            del connection.held[command.c]
        raise
    connection.held.pop(command.c, None)
    connection.in_flight[command.c] = (waiting + 1, gen)


def _decided(desk: Desk, connection: Connection, command: Send | Note, outcome: Outcome) -> None:
    waiting, gen = connection.in_flight.get(command.c, (1, None))
    if waiting > 1:
        connection.in_flight[command.c] = (waiting - 1, gen)
    else:
        connection.in_flight.pop(command.c, None)
    if outcome.status in ("ok", "dup"):
        connection.push(encode(Ok(id=command.id, s=outcome.seq, at=outcome.at, dup=outcome.status == "dup")))
        if outcome.status == "ok" and command.body.canned is not UNSET:
            desk.background(_count_use(desk, connection, command.body.canned))
        return
    code, message, retry = _REFUSALS[outcome.status]
    if retry:
        connection.hold_back(command)
    if outcome.status == "stale" and connection.who is not None:
        connection.who.learn(command.c, outcome.seq)
    connection.fail(command.id, code, message, retry=retry, after_s=_AGAIN_S.get(outcome.status))


async def _count_use(desk: Desk, connection: Connection, canned_id: UUID) -> None:
    if isinstance(connection.who, Host):
        async with desk.work.begin() as work:
            await count_use(work.session, canned_id, connection.who.id, connection.who.team_ids)


def _check_pace(connection: Connection, conversation_id: UUID) -> None:
    wait_s = connection.messages.take(time.monotonic())
    if wait_s:
        raise Limited("That is a little fast; the message waits here.", retry_after_s=wait_s)
    if connection.in_flight.get(conversation_id, (0, None))[0] >= MAX_IN_FLIGHT:
        raise Limited("Too many messages are on their way.", retry_after_s=0.5)


async def _may_say(desk: Desk, connection: Connection, command: Send | Note) -> None:
    """Check that a conversation is one of theirs, or that they said this in it when it was.

    A chat that was passed to another team is out of sight; whoever did not hear that their words are stored asks again.

    Raises:
        NotFound: neither is so, or there is no such conversation.
    """
    try:
        await check_access(desk, connection, command.c)
    except NotFound:
        assert connection.who is not None, "a command comes after the hello"
        async with desk.work.reading() as session:
            stored = await is_stored(session, command.c, connection.who.id, command.m)
        if not stored:
            raise


async def check_access(desk: Desk, connection: Connection, conversation_id: UUID) -> None:
    """Check that a conversation is one of theirs. What the connection follows is checked already.

    Raises:
        NotFound: it is not, or there is none.
    """
    if lane_topic(conversation_id, 0) in connection.cursors:
        return
    who = connection.who
    async with desk.work.reading() as session:
        if isinstance(who, Guest):
            await conversation_for_visitor(session, who.id, conversation_id)
        elif who is not None:
            await conversation_for_agent(session, who.actor.id, who.team_ids, conversation_id)


def _stored(who: Guest | Host, body: Body, text: str) -> str:
    """Return the JSON object to store for a message.

    Raises:
        Invalid: `unfilled`: a variable of a canned reply was left open.
        Forbidden: a visitor named a canned reply.
    """
    stored: dict[str, Any] = {"text": text}
    if body.canned is not UNSET:
        if isinstance(who, Guest):
            raise Forbidden("Only agents use canned replies.")
        if any(name in VARIABLES for name in names_in(text)):
            raise Invalid("Fill in the open places first.", code="unfilled", field="body.text")
        stored["canned"] = body.canned
    return encode(stored).decode()
