"""Whether the promise held: what was acknowledged, received and stored, compared. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from app.bench.orders import Heard, Said

Stored = Mapping[int, Sequence[tuple[int, int]]]
"""Conversation → (sequence number, place of the message among all), ascending, as Postgres has it."""


class Exactness(Struct):
    """All zero when every acknowledged message is one row and reached everybody once and in order.

    Attributes:
        lost: messages that were acknowledged, but are not stored under that number or did not reach every socket of
            their conversation.
        doubled: rows too many of a message, and events received twice.
        reordered: events received after a later one or before an earlier one, holes in the numbering, and pairs of
            one socket's messages that are stored in another order than they were sent.
    """

    lost: int = 0
    doubled: int = 0
    reordered: int = 0


def compare(said: Sequence[Said], heard: Sequence[Heard], stored: Stored) -> Exactness:
    """Compare the three."""
    result = Exactness()
    rows = {(conversation, s): place for conversation, lane in stored.items() for s, place in lane}
    received: defaultdict[int, list[set[tuple[int, int]]]] = defaultdict(list)
    for one in heard:
        got = set(one.events)
        received[one.conversation].append(got)
        result.doubled += len(one.events) - len(got)
        result.reordered += _out_of_order([s for s, _ in one.events])
    for place, message in enumerate(said):
        if message.s and not (
            rows.get((message.conversation, message.s)) == place
            and all((message.s, place) in got for got in received[message.conversation])
        ):
            result.lost += 1
    for conversation, lane in stored.items():
        places = [place for _, place in lane]
        result.doubled += len(places) - len(set(places))
        result.reordered += _out_of_order([s for s, _ in lane], first=1)
        sent: defaultdict[int, list[int]] = defaultdict(list)
        for place in places:
            if 0 <= place < len(said) and said[place].conversation == conversation:
                sent[said[place].socket].append(place)
        result.reordered += sum(later < earlier for order in sent.values() for earlier, later in pairwise(order))
    return result


def _out_of_order(numbers: list[int], first: int | None = None) -> int:
    """Count the steps that are not +1; a repeated number is another's business."""
    if first is not None:
        numbers = [first - 1, *numbers]
    return sum(later not in (earlier, earlier + 1) for earlier, later in pairwise(numbers))
