"""Duties that one process does for all: whoever comes first, each time anew, so that none is missed when one dies."""

from __future__ import annotations

from app.infra.keys import Keys
from app.infra.redis import FAILURES, Redis, uncancelled


class Turns:
    """The turns of one process.

    Args:
        redis: where they are taken. While it is away everybody does everything, as if they were alone.
        keys: names them.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def mine(self, duty: str, for_s: float) -> bool:
        """Tell whether it is this process's turn; for so many seconds it is nobody else's then."""
        try:
            taken = await uncancelled(
                lambda: self._redis.set(self._keys.turn(duty), "", nx=True, px=round(for_s * 1000))
            )
        except FAILURES:
            return True
        return bool(taken)
