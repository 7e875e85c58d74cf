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

from app.infra.redis_places import Elsewhere, Places

Redis = redis_asyncio.Redis
FAILURES = (RedisError, OSError)
"""What it looks like when Redis is away."""
T = TypeVar("T")


class _Client(redis_asyncio.Redis):
    """Gives a command again to the node that serves our keys now, when another one has refused it."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        client: Any = super()
        try:
            return await client.execute_command(*args, **options)
        except Elsewhere:
            # Nothing was done there. Once: whoever is sent on twice does not know where to go.
            return await client.execute_command(*args, **options)


def connect(where: str | Places, connections: int = 16) -> Redis:
    """Return a client. It opens connections when they are first needed.

    Commands are not retried by the client: a script whose reply was lost would run again behind our back.

    Args:
        where: the address, or the places that it names.
        connections: at most.
    """
    pool = BlockingConnectionPool(
        **Places.named(where).connection_options(
            max_connections=connections,
            timeout=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=2,
            socket_timeout=2,
            health_check_interval=15,
        )
    )
    return _Client.from_pool(pool)


class IndexLost(Exception):
    """Redis lost its data: the index must be built anew before anything is asked of it."""


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
            IndexLost: the script answered NOEPOCH.
            RedisError, OSError: Redis cannot be reached, or the script failed.
        """

        async def run() -> Any:
            try:
                try:
                    return await redis.evalsha(self._digest, len(keys), *keys, *args)
                except NoScriptError:
                    return await redis.eval(self._text, len(keys), *keys, *args)
            except ResponseError as error:
                if "NOEPOCH" in str(error):
                    raise IndexLost from error
                raise

        return await uncancelled(run)


async def uncancelled(call: Callable[[], Awaitable[T]]) -> T:
    """Run a Redis call to its end even if the caller is cancelled: a cancelled one leaves its reply to the next."""
    return await asyncio.shield(asyncio.ensure_future(call()))


async def keys_like(redis: Redis, pattern: str) -> list[str]:
    """Return the keys that match a pattern. Walks all keys: for rebuilding, not for every day."""
    found: list[str] = []
    async for key in redis.scan_iter(match=pattern, count=1000):  # pyright: ignore[reportUnknownVariableType]
        found.append(bytes(key).decode())  # pyright: ignore[reportUnknownArgumentType]
    return found


async def hash_of(redis: Redis, key: str) -> dict[str, str]:
    """Return all fields of a hash."""
    found: dict[Any, Any] = await redis.hgetall(key)
    return {name.decode(): value.decode() for name, value in found.items()}


async def members(redis: Redis, key: str) -> set[str]:
    """Return all members of a sorted set."""
    found: list[Any] = await redis.zrange(key, 0, -1)
    return {member.decode() for member in found}
