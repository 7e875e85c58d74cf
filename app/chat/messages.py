"""Reading lanes: pages of events, and how far each lane goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import LANE
from app.chat.wire import event_frame
from app.clock import to_ms
from app.infra.database import any_of

PAGE_BYTES = 96 * 1024
"""A page stops here even if it holds fewer events than asked for, so that it fits a reader's outbox."""

_COLUMNS = "lane, seq, kind, m, sender_kind, sender_id, sender_name, at, body::text AS body"
_AFTER = text(
    f"SELECT {_COLUMNS} FROM message WHERE conversation_id = :c AND lane = :lane AND seq > :after "
    "ORDER BY seq LIMIT :limit"
)
_AFTER_MANY = text(
    f"SELECT w.o, x.* FROM unnest(CAST(:c AS uuid[]), CAST(:lane AS smallint[]), CAST(:after AS bigint[])) "
    "WITH ORDINALITY AS w (c, lane, after, o), "
    f"LATERAL (SELECT {_COLUMNS} FROM message m WHERE m.conversation_id = w.c AND m.lane = w.lane AND m.seq > w.after "
    "ORDER BY m.seq LIMIT :limit) x ORDER BY w.o, x.seq"
)
_BEFORE = text(
    f"SELECT {_COLUMNS} FROM message WHERE conversation_id = :c AND lane = :lane AND seq < :before "
    "ORDER BY seq DESC LIMIT :limit"
)
_STORED = text(
    "SELECT 1 FROM message WHERE conversation_id = :c AND sender_id = :sender AND m = :m AND sender_kind <> 'system'"
)
_HEADS = text(f"SELECT id, public_seq, internal_seq FROM conversation WHERE id {any_of('ids')}")

_KEY = text("SELECT m FROM message WHERE conversation_id = :c AND lane = :lane AND seq = :seq")
_STATES = text(
    f"SELECT c.id, c.visitor_id, c.gen, c.state, {LANE} AS lane FROM conversation c WHERE c.id {any_of('ids')}"
)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events of one lane, ascending.

    Attributes:
        events: (sequence number, encoded `ev` frame).
        more: whether there are further ones in the direction that was asked for.
    """

    events: list[tuple[int, bytes]]
    more: bool


async def page_after(session: AsyncSession, conversation_id: UUID, lane: int, after: int, limit: int) -> EventPage:
    """Return events that follow `after`."""
    rows = await session.execute(_AFTER, {"c": conversation_id, "lane": lane, "after": after, "limit": limit + 1})
    return _page(conversation_id, list(rows), limit)


async def pages_after(session: AsyncSession, places: Sequence[tuple[UUID, int, int]], limit: int) -> list[EventPage]:
    """Return what `page_after` does for many places, each a (conversation, lane, after), in one query."""
    conversations, lanes, afters = zip(*places, strict=True)
    found = await session.execute(
        _AFTER_MANY, {"c": list(conversations), "lane": list(lanes), "after": list(afters), "limit": limit + 1}
    )
    rows: list[list[Row[Any]]] = [[] for _ in places]
    for row in found:
        rows[row.o - 1].append(row)
    return [_page(conversation, some, limit) for conversation, some in zip(conversations, rows, strict=True)]


async def page_before(session: AsyncSession, conversation_id: UUID, lane: int, before: int, limit: int) -> EventPage:
    """Return the events that end just before `before`."""
    rows = await session.execute(_BEFORE, {"c": conversation_id, "lane": lane, "before": before, "limit": limit + 1})
    page = _page(conversation_id, list(rows), limit)
    page.events.reverse()
    return page


async def lane_heads(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return (public, internal) sequence heads of conversations."""
    rows = await session.execute(_HEADS, {"ids": list(ids)})
    return {row.id: (row.public_seq, row.internal_seq) for row in rows}


async def key_at(session: AsyncSession, conversation_id: UUID, lane: int, seq: int) -> UUID | None:
    """Return the id of what has a number in a lane, or None."""
    return await session.scalar(_KEY, {"c": conversation_id, "lane": lane, "seq": seq})


async def states_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, int, str, str]]:
    """Return (visitor, gen, state, lane) of conversations."""
    rows = await session.execute(_STATES, {"ids": list(ids)})
    return {row.id: (row.visitor_id, row.gen, row.state, row.lane) for row in rows}


def _page(conversation_id: UUID, rows: Sequence[Row[Any]], limit: int) -> EventPage:
    events: list[tuple[int, bytes]] = []
    size = 0
    for row in rows[:limit]:
        sender = (row.sender_kind, row.sender_id, row.sender_name)
        frame = event_frame(conversation_id, row.lane, row.seq, row.kind, row.m, sender, to_ms(row.at), row.body)
        size += len(frame)
        if events and size > PAGE_BYTES:
            return EventPage(events, True)
        events.append((row.seq, frame))
    return EventPage(events, len(rows) > limit)


async def is_stored(session: AsyncSession, conversation_id: UUID, sender_id: UUID, m: UUID) -> bool:
    """Tell whether somebody's message or note is in a conversation."""
    found = await session.execute(_STORED, {"c": conversation_id, "sender": sender_id, "m": m})
    return found.scalar_one_or_none() is not None
