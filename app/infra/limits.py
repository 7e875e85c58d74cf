"""How often somebody may do something: counted in Redis for all processes, in memory while Redis is away."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import Limited

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `times` in any `seconds`, for each of those who are counted apart."""

    name: str
    times: int
    seconds: int


class Limits:
    """Counts for one process, together with all others that use the same Redis.

    Args:
        redis: the client whose connections are used.
        key_prefix: what the counters' keys begin with; see `app.infra.keys`.
    """

    def __init__(self, redis: Redis, key_prefix: str) -> None:
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=key_prefix,
            connection_pool=redis.connection_pool,  # pyright: ignore[reportArgumentType]
        )
        self._shared = MovingWindowRateLimiter(storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())

    async def hit(self, limit: Limit, *who: str) -> None:
        """Count one use.

        Args:
            limit: the limit.
            who: whom it is counted for. Kept as a digest only.

        Raises:
            Limited: it was one too many, and is not counted.
        """
        item, name = _item(limit), _name(limit, who)
        if await self._took(item, name):
            return
        wait = await self._wait(item, name)
        minutes = max(1, round(wait / 60))
        unit = "minute" if minutes == 1 else "minutes"
        raise Limited(f"Too many attempts. Try again in {minutes} {unit}.", retry_after_s=wait)

    async def forget(self, limit: Limit, *who: str) -> None:
        """Begin to count afresh."""
        item, name = _item(limit), _name(limit, who)
        await self._own.clear(item, name)
        try:
            await self._shared.clear(item, name)
        except (RedisError, OSError) as error:
            log.warning("limits_without_redis", error=type(error).__name__)

    async def _took(self, item: RateLimitItemPerSecond, name: str) -> bool:
        try:
            return await self._shared.hit(item, name)
        except (RedisError, OSError) as error:
            # Counting in each process by itself is less strict, and much better than closing the door.
            log.warning("limits_without_redis", error=type(error).__name__)
            return await self._own.hit(item, name)

    async def _wait(self, item: RateLimitItemPerSecond, name: str) -> float:
        try:
            stats = await self._shared.get_window_stats(item, name)
        except (RedisError, OSError):
            stats = await self._own.get_window_stats(item, name)
        return max(1.0, stats.reset_time - time.time())


def _item(limit: Limit) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(limit.times, limit.seconds, namespace=limit.name)


def _name(limit: Limit, who: tuple[str, ...]) -> str:
    text = "\n".join((limit.name, *who)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
