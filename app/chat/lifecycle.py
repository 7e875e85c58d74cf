"""The states of a conversation and the moves between them. Pure.

    waiting ──offer──▶ offered ──accept──▶ active ──close──▶ closed
       ▲  │               │                  │                 │
       │  └─claim─────────┼─────────────────▶│                 │
       ├──────miss────────┘                  │                 │
       ├──────requeue─────────────────────────┘ (takeover:      │
       │                                      stays active)     │
       └──────start────────────────────────────────────────────┤
              reopen ▶ active ◀────────────────────────────────┘

A visitor may leave and the clock may abandon while waiting or offered.
"""

from __future__ import annotations

from typing import Literal

from app.errors import Conflict

State = Literal["waiting", "offered", "active", "closed"]
Move = Literal["start", "offer", "accept", "miss", "claim", "requeue", "takeover", "close", "leave", "reopen"]

_MOVES: dict[tuple[str, Move], State] = {
    ("closed", "start"): "waiting",
    ("waiting", "offer"): "offered",
    ("offered", "accept"): "active",
    ("offered", "miss"): "waiting",
    ("waiting", "claim"): "active",
    ("active", "requeue"): "waiting",
    ("active", "takeover"): "active",
    ("active", "close"): "closed",
    ("waiting", "leave"): "closed",
    ("offered", "leave"): "closed",
    ("closed", "reopen"): "active",
}


def after(state: str, move: Move) -> State:
    """Return the state that follows.

    Raises:
        Conflict: the move is not possible from `state`: `conversation_closed` from closed, else `stale`.
    """
    following = _MOVES.get((state, move))
    if following is not None:
        return following
    if state == "closed":
        raise Conflict("This chat has ended.", code="conversation_closed")
    raise Conflict("Somebody was faster: this chat is not in that state any more.", code="stale")


def check_generation(current: int, expected: int) -> None:
    """Refuse a command that was made for an earlier generation.

    Raises:
        Conflict: `stale`.
    """
    if current != expected:
        raise Conflict("Somebody was faster: this chat has changed since.", code="stale")
