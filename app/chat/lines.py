"""Lines that come with a change of state: "Ana joined". Numbered in the same lanes as messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from app.chat.events import LineAppended
from app.chat.models import Conversation, Message
from app.ids import SYSTEM, ConversationId, uuid7
from app.infra.work import Work

PUBLIC = 0
INTERNAL = 1
LANES = ("public", "internal")


def append(
    work: Work,
    conversation: Conversation,
    lane: int,
    kind: str,
    data: dict[str, Any],
    at: datetime,
    *,
    sender: tuple[str, UUID, str | None] = ("system", SYSTEM, None),
    m: UUID | None = None,
) -> int:
    """Append a line to a conversation whose row this transaction has locked.

    Args:
        lane: PUBLIC or INTERNAL.
        sender: kind, id and name of who did it.
        m: the client's message id, when a person wrote it.

    Returns:
        The line's sequence number.
    """
    if lane == PUBLIC:
        conversation.public_seq = seq = conversation.public_seq + 1
    else:
        conversation.internal_seq = seq = conversation.internal_seq + 1
    m = m or uuid7()
    kind_of_sender, sender_id, name = sender
    work.session.add(
        Message(
            conversation_id=conversation.id,
            lane=lane,
            seq=seq,
            m=m,
            kind=kind,
            sender_kind=kind_of_sender,
            sender_id=sender_id,
            sender_name=name,
            episode=conversation.episode,
            at=at,
            body=data,
        )
    )
    work.record(
        LineAppended(ConversationId(conversation.id), lane, seq, kind, m, kind_of_sender, sender_id, name, at, data)
    )
    return seq
