"""Whether the promise held: what was acknowledged, received and stored, compared. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from app.bench.orders import Heard, Said, Side

Stored = Mapping[int, Sequence[tuple[int, int]]]
"""Conversation → (sequence number, place of the message in the schedule), ascending, as Postgres has it."""


class Exactness(Struct):
    """All zero when every acknowledged message is one row and reached both sides once and in order.

    Attributes:
        lost: messages that were acknowledged, but are not stored under that number or did not reach both sides.
        doubled: rows too many of a message, and events received twice.
        reordered: events received after a later one or before an earlier one, holes in the numbering, and pairs of
            one sender's messages that are stored in another order than they were sent.
    """

    lost: int = 0
    doubled: int = 0
    reordered: int = 0


def compare(said: Sequence[Said], heard: Sequence[Heard], stored: Stored) -> Exactness:
    """Compare the three."""
    result = Exactness()
    rows = {(conversation, s): place for conversation, lane in stored.items() for s, place in lane}
    received: dict[tuple[int, Side], set[tuple[int, int]]] = {}
    for one in heard:
        got = set(one.events)
        received[one.conversation, one.side] = got
        result.doubled += len(one.events) - len(got)
        result.reordered += _out_of_order([s for s, _ in one.events])
    for place, message in enumerate(said):
        if message.s and not (
            rows.get((message.conversation, message.s)) == place
            and all(
                (message.s, place) in received.get((message.conversation, side), ()) for side in ("visitor", "agent")
            )
        ):
            result.lost += 1
    for conversation, lane in stored.items():
        places = [place for _, place in lane]
        result.doubled += len(places) - len(set(places))
        result.reordered += _out_of_order([s for s, _ in lane], first=1)
        for side in ("visitor", "agent"):
            sent = [place for place in places if said[place].side == side and said[place].conversation == conversation]
            result.reordered += sum(later < earlier for earlier, later in pairwise(sent))
    return result


def _out_of_order(numbers: list[int], first: int | None = None) -> int:
    """Count the steps that are not +1; a repeated number is another's business."""
    if first is not None:
        numbers = [first - 1, *numbers]
    return sum(later not in (earlier, earlier + 1) for earlier, later in pairwise(numbers))
