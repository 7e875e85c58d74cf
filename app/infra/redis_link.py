"""One raw connection to Redis, for the bus: whole batches in and out, without an object or an await a command.

redis-py opens it (addresses, passwords, TLS); after that bytes go past it. Measured in docs/performance.md.
"""

from __future__ import annotations

import asyncio
from typing import Any

import redis.asyncio as redis_asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CHUNK = 256 * 1024


class RedisLink:
    """A connection that speaks RESP2. Get one from `open_link`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # redis-py has no public way to them.
        self._reader: asyncio.StreamReader = connection._reader
        self._writer: asyncio.StreamWriter = connection._writer

    def write(self, commands: bytes) -> None:
        """Send packed commands. Never waits."""
        self._writer.write(commands)

    async def read(self) -> bytes:
        """Return what has come.

        Raises:
            ConnectionError: the other side has closed it.
        """
        data = await self._reader.read(CHUNK)
        if not data:
            raise ConnectionError("Redis closed the connection")
        return data

    async def close(self) -> None:
        """Close it, without waiting for the other side."""
        await self._connection.disconnect(nowait=True)


async def open_link(url: str) -> RedisLink:
    """Connect and sign in.

    Raises:
        RedisError, OSError: Redis cannot be reached, or refuses.
    """
    pool = redis_asyncio.ConnectionPool.from_url(
        url, protocol=2, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    connection: Any = pool.make_connection()
    try:
        await connection.connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return RedisLink(connection)


def pack(*words: bytes) -> bytes:
    """Return one command in RESP."""
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
