"""Who says what when: arrivals like those of many people who know nothing of each other. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.bench.orders import Side

_PLACE = 0xFFFFFFFFFFFF


@dataclass(slots=True, frozen=True)
class Line:
    """One message to come.

    Attributes:
        at: seconds from the start.
        conversation: its place among the conversations.
    """

    at: float
    conversation: int
    side: Side


def schedule(rate: float, spans_s: Sequence[float], conversations: int, seed: int) -> list[Line]:
    """Return `rate × span` messages in each of the time spans, which follow one another.

    Within a span each comes at a random moment. Every conversation has its turn before any has another; in each,
    visitor and agent take turns.
    """
    dice = random.Random(seed)
    moments: list[float] = []
    start = 0.0
    for span_s in spans_s:
        moments += sorted(start + dice.random() * span_s for _ in range(round(rate * span_s)))
        start += span_s
    order: list[int] = []
    lines: list[Line] = []
    for number, at in enumerate(moments):
        if not order:
            order = dice.sample(range(conversations), conversations)
        side: Side = "agent" if (number // conversations) % 2 else "visitor"
        lines.append(Line(at, order.pop(), side))
    return lines


def text_of(place: int) -> str:
    """Return the words of a message, by its place in the schedule: about as many as people write."""
    return f"Is the blue one still to be had in size {place % 50}, and when would it come? ({place})"


def id_of(place: int, at_ms: int) -> UUID:
    """Return the id of a message: a UUIDv7 whose last twelve digits are its place in the schedule."""
    return UUID(int=at_ms << 80 | 0x7 << 76 | 0x2 << 62 | place)


def place_of(m: UUID | str) -> int:
    """Return the place in the schedule that an id names."""
    return int(m[24:], 16) if isinstance(m, str) else m.int & _PLACE
