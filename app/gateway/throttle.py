"""How fast somebody may go. Pure."""

from __future__ import annotations


class Bucket:
    """A token bucket.

    Args:
        per_s: tokens that flow in a second.
        burst: most tokens it holds; it starts full.
    """

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take a token. Returns 0 if there was one, else the seconds until there will be."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_s
