"""Rows and facts as frames: the one place where an event's JSON is made, live or read back."""

from __future__ import annotations

from uuid import UUID

import msgspec

from app.chat.events import LineAppended
from app.chat.journal import Draft, Outcome
from app.chat.lines import LANES
from app.clock import to_ms
from app.protocol.frames import Ev, From

_ENCODER = msgspec.json.Encoder()
encode = _ENCODER.encode


def event_frame(
    conversation_id: UUID,
    lane: int,
    seq: int,
    kind: str,
    m: UUID,
    sender: tuple[str, UUID, str | None],
    at_ms: int,
    body: str,
) -> bytes:
    """Return the `ev` frame of one row; `body` is the stored JSON object."""
    return encode(
        Ev(
            c=conversation_id,
            lane=LANES[lane],
            s=seq,
            kind=kind,
            m=m,
            from_=From(sender[0], sender[1], sender[2]),  # pyright: ignore[reportArgumentType]
            at=at_ms,
            data=msgspec.Raw(body.encode()),
        )
    )


def draft_frame(draft: Draft, outcome: Outcome) -> bytes:
    """Return the `ev` frame of a draft that was just committed."""
    return event_frame(
        draft.conversation_id,
        draft.lane,
        outcome.seq,
        draft.kind,
        draft.m,
        (draft.sender_kind, draft.sender_id, draft.sender_name),
        outcome.at,
        draft.body,
    )


def line_frame(line: LineAppended) -> bytes:
    """Return the `ev` frame of a line that came with a change of state."""
    return event_frame(
        line.conversation_id,
        line.lane,
        line.seq,
        line.kind,
        line.m,
        (line.sender_kind, line.sender_id, line.sender_name),
        to_ms(line.at),
        encode(line.data).decode(),
    )
