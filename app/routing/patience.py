"""How long an offer stands, and what silence costs. Pure: `deskbell simulate` goes by the same."""

from __future__ import annotations

CONFIRM_S = 5
"""Direct mode: the agent's client confirms by itself; silence means that nobody is there."""
ANSWER_S = 20
"""Offer mode: somebody reads it and decides."""
DECLINED_S = 60
"""How long an agent who declined or missed a conversation is not asked about it again."""
MOST_MISSED = 2
"""Offers in a row that may run out before an agent gets no new ones; where they are confirmed by themselves, one."""


def seconds_for(mode: str) -> int:
    """Return how long an offer stands."""
    return CONFIRM_S if mode == "direct" else ANSWER_S
