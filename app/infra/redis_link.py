"""One raw connection to Redis, for the bus: bytes in and out, without an object, a task or an await a command.

redis-py opens it (addresses, passwords, TLS); after that everything goes past it. Measured in docs/performance.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import redis.asyncio as redis_asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.infra.redis_places import Places


class RedisLink(asyncio.Protocol):
    """A connection that speaks RESP2. Get one from `open_link`.

    Args:
        heard: called with whatever comes.
    """

    def __init__(self, connection: Any, heard: Callable[[bytes], None]) -> None:
        self._connection = connection
        self._heard = heard
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # redis-py has no public way to it.
        self._transport: asyncio.Transport = connection._writer.transport
        self._transport.set_protocol(self)

    def write(self, commands: bytes) -> None:
        """Send packed commands. Never waits."""
        self._transport.write(commands)

    async def lost(self, within_s: float) -> None:
        """Return after some time if the connection is still there.

        Raises:
            ConnectionError: it is not.
        """
        await asyncio.wait([self._lost], timeout=within_s)
        if self._lost.done():
            raise ConnectionError(self._lost.result())

    def give_up(self, reason: str) -> None:
        """It is of no use any more: whoever waits for its loss hears why."""
        if not self._lost.done():
            self._lost.set_result(reason)

    async def close(self) -> None:
        """Close it, without waiting for the other side."""
        await self._connection.disconnect(nowait=True)

    def data_received(self, data: bytes) -> None:
        self._heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.give_up("Redis closed the connection" if exc is None else repr(exc))


async def open_link(where: str | Places, heard: Callable[[bytes], None]) -> RedisLink:
    """Connect and sign in.

    Args:
        where: the address of Redis, or the places that it names.
        heard: called with whatever comes.

    Raises:
        RedisError, OSError: Redis cannot be reached, or refuses.
    """
    options = Places.named(where).connection_options(
        protocol=2, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    pool = redis_asyncio.ConnectionPool(**options)
    connection: Any = pool.make_connection()
    try:
        await connection.connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return RedisLink(connection, heard)


def pack(*words: bytes) -> bytes:
    """Return one command in RESP."""
    return b"*%d\r\n%b" % (len(words), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words]))
