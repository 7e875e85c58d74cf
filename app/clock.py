"""The time of day, in one place, so that pure code can be handed `now` instead of asking for it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current moment, aware, in UTC."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Return `moment` as milliseconds since 1970 in UTC, the wire's form of time."""
    return round(moment.timestamp() * 1000)


def maybe_ms(moment: datetime | None) -> int | None:
    """Like `to_ms`, for a moment that may not have come yet."""
    return None if moment is None else to_ms(moment)


def from_ms(ms: int) -> datetime:
    """Return the moment that lies `ms` milliseconds after 1970 in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)
