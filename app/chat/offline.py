"""Messages left while nobody is there: kept in the visitor's own thread, and listed until somebody answers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.chat import conversations, episodes, lines
from app.chat.models import Conversation, Message
from app.contacts.models import Visitor
from app.contacts.visitors import introduce
from app.errors import Conflict, Invalid
from app.identity.models import Site
from app.infra.work import Work
from app.text import checked_phone


async def leave_message(
    work: Work,
    visitor: Visitor,
    site: Site,
    m: UUID,
    text: str,
    name: str | None,
    email: str,
    now: datetime,
    phone: str | None = None,
    instead: int | None = None,
) -> tuple[Conversation, int, bool]:
    """Store a message for whoever comes first.

    Args:
        m: the client's message id; the same one again changes nothing.
        phone: where they want to be called back.
        instead: the episode in which they wait no longer; what they said in it stays with the message. When it waits no
            more by then, somebody has it, or it has ended.

    Returns:
        The conversation, the message's number on the public lane, and whether it was there already.

    Raises:
        Invalid: there is no address to answer to, or the phone number cannot be one.
        Conflict: `conflict`: `m` was used with another text.
    """
    introduce(visitor, name, email)
    phone = checked_phone(phone)
    if not visitor.email:
        raise Invalid("Please give an e-mail address, so that we can answer.", field="email")
    conversation = await conversations.of_visitor(work.session, visitor, site)
    known = await work.session.scalar(
        select(Message).where(
            Message.conversation_id == conversation.id,
            Message.sender_id == visitor.id,
            Message.m == m,
            Message.sender_kind != "system",
        )
    )
    if known is not None:
        if known.body.get("text") != text:
            raise Conflict("That message was sent before with other words.")
        return conversation, known.seq, True
    sender = ("visitor", visitor.id, visitor.name)
    if conversation.state in ("waiting", "offered") and instead == conversation.episode:
        seq = lines.append(work, conversation, lines.PUBLIC, "message", {"text": text}, now, sender=sender, m=m)
        await conversations.leave_line(work, conversation, visitor, now)
        conversation.left_message = True
        _left(work, conversation, visitor, phone, now)
        return conversation, seq, False
    if conversation.state != "closed":
        # Somebody opened the chat in another window meanwhile: the words belong there.
        seq = lines.append(work, conversation, lines.PUBLIC, "message", {"text": text}, now, sender=sender, m=m)
        conversations.touched(work, conversation, now)
        return conversation, seq, False
    if not conversation.left_message:
        conversation.team_id = site.team_id
        episode = episodes.begin(work.session, conversation, now)
        episode.outcome, episode.closed_at = "offline", now
    conversation.left_message = True
    conversation.closed_at = now
    seq = lines.append(work, conversation, lines.PUBLIC, "message", {"text": text}, now, sender=sender, m=m)
    _left(work, conversation, visitor, phone, now)
    conversations.changed(work, conversation, now)
    return conversation, seq, False


def _left(work: Work, conversation: Conversation, visitor: Visitor, phone: str | None, now: datetime) -> None:
    data = {"name": visitor.name, "email": visitor.email}
    if phone is not None:
        data["phone"] = phone
    lines.append(work, conversation, lines.PUBLIC, "left_message", data, now)
