"""The closed lists: error codes with their HTTP status and default words, and close codes.

docs/protocol.md holds the same tables; tests compare them and prove that each code can be reached.
"""

from __future__ import annotations

from enum import IntEnum

SUBPROTOCOL = "deskbell.v1"
OVER = frozenset({"deskbell.v0"})
"""Versions that are spoken no more. Who offers nothing newer is told so by a close code."""

MAX_FRAME_BYTES = 64 * 1024
MAX_TEXT = 5_000
"""Code points in one message."""
MAX_COMMENT = 2_000
MAX_IN_FLIGHT = 16
"""Unacknowledged sends and notes of one connection in one conversation."""
MAX_REPLAY = 300
"""Missed events that are replayed by themselves; beyond it the client pages with `sync`."""
MAX_PAGE = 200
MAX_DEPTH = 16
MAX_KEYS = 200
MAX_MARKS = 2_000
"""Strings, brackets and colons in one frame; more than that is work for nothing."""
MALFORMED_BEFORE_CLOSE = 10
HELLO_WITHIN_S = 5.0
PING_EVERY_S = 15.0
IDLE_PING_EVERY_S = 40.0
PONG_WITHIN_S = 10.0
SPREAD_MS_PER_SOCKET = 4
"""What a hello costs: so much further apart should those come back whom a process that dies leaves behind."""
LONGEST_SPREAD_MS = 8_000
OUTBOX_BYTES = 256 * 1024

ERRORS: dict[str, int | None] = {
    "bad_json": 400,
    "bad_host": 400,
    "too_complex": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "stale": 409,
    "conversation_closed": 409,
    "not_yours": 409,
    "at_capacity": 409,
    "no_agents": 409,
    "not_ratable": 409,
    "in_use": 409,
    "too_large": 413,
    "invalid": 422,
    "bad_text": 422,
    "empty": 422,
    "unfilled": 422,
    "unknown_type": None,
    "hello_first": None,
    "out_of_order": None,
    "rate_limited": 429,
    "unavailable": 503,
    "internal": 500,
}
"""Code → HTTP status; None for codes that only the socket knows."""


class Close(IntEnum):
    """Why a socket was closed. 4000–4499: come back. 4500–4999: do not."""

    DRAINING = 4001
    SLOW = 4008
    TOO_MANY = 4009
    NO_PONG = 4012
    BAD_CREDENTIAL = 4500
    BAD_PROTOCOL = 4501
    FORBIDDEN = 4503
    SIGNED_OUT = 4504
    UPGRADE = 4506
    NOT_WEBSOCKET = 1002
    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    TOO_BIG = 1009
    TRY_LATER = 1013
