"""The way to Redis for one process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from importlib import resources
from typing import Any, TypeVar

import redis.asyncio as redis_asyncio
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.exceptions import RedisError as RedisError
from redis.exceptions import ResponseError as ResponseError

from app.errors import Unavailable

Redis = redis_asyncio.Redis
T = TypeVar("T")


def connect(url: str, connections: int = 16) -> Redis:
    """Return a client. It opens connections when they are first needed.

    Commands are not retried by the client: a script whose reply was lost would run again behind our back.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=2,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=2,
        socket_timeout=2,
        health_check_interval=15,
    )
    return redis_asyncio.Redis(connection_pool=pool)


class Script:
    """A Lua script, run by its digest and loaded again whenever Redis has forgotten it.

    Args:
        names: files of app/infra/scripts, joined in this order.
    """

    def __init__(self, *names: str) -> None:
        folder = resources.files("app.infra") / "scripts"
        self._text = "\n".join((folder / name).read_text() for name in names)
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        """Run it.

        Raises:
            RedisError, OSError: Redis cannot be reached, or the script failed.
        """

        async def run() -> Any:
            try:
                return await redis.evalsha(self._digest, len(keys), *keys, *args)
            except NoScriptError:
                return await redis.eval(self._text, len(keys), *keys, *args)

        return await uncancelled(run)


async def uncancelled(call: Callable[[], Awaitable[T]]) -> T:
    """Run a Redis call to its end even if the caller is cancelled: a cancelled one leaves its reply to the next."""
    return await asyncio.shield(asyncio.ensure_future(call()))


def unavailable(error: RedisError | OSError) -> Unavailable:
    """Return the error that callers of ours see when Redis fails."""
    return Unavailable(f"The queue cannot be reached; try again. ({type(error).__name__})", retry_after_s=1)
