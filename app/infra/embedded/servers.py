"""Both embedded servers of a data directory, as one thing to start, watch and stop."""

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

import structlog

from app.infra.embedded.account import server_account
from app.infra.embedded.failure import EmbeddedError
from app.infra.embedded.lock import DataDirLock, is_held
from app.infra.embedded.places import prepare_data_dir, prepare_places
from app.infra.embedded.postgres import EmbeddedPostgres
from app.infra.embedded.redis import EmbeddedRedis

log = structlog.stdlib.get_logger(__name__)

ADDRESSES = "addresses.json"
LOOK_EVERY = 0.2
STARTING = 30.0
SHORTEST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
"""Seconds between two restarts of a server that keeps dying."""
GOOD_LIFE = 30.0
"""Seconds of life after which the next restart is at once again."""


@dataclass(frozen=True)
class Addresses:
    """Where the running servers of a data directory are; empty for one that is not embedded."""

    database_url: str
    redis_url: str


class EmbeddedServers:
    """Postgres and Redis for one machine, in `data_dir`.

    Start them from the main thread, and keep it. `database_url` is for SQLAlchemy,
    `redis_url` for redis-py; both are known after `start`.
    """

    def __init__(self, data_dir: Path, *, postgres: bool = True, redis: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self._wanted = (postgres, redis)
        self._lock = DataDirLock(self.data_dir)
        self._postgres: EmbeddedPostgres | None = None
        self._redis: EmbeddedRedis | None = None

    @property
    def database_url(self) -> str:
        return self._postgres.url if self._postgres else ""

    @property
    def redis_url(self) -> str:
        return self._redis.url if self._redis else ""

    @property
    def pids(self) -> dict[str, int]:
        """The process of each running server, by name."""
        found = {"postgres": self._postgres, "redis": self._redis}
        return {name: server.pid for name, server in found.items() if server and server.pid}

    async def start(self) -> None:
        """Run the servers and return once both answer.

        Raises EmbeddedError, with nothing left running, if one cannot be had or another
        process holds the data directory.
        """
        prepare_data_dir(self.data_dir)
        self._lock.take()
        try:
            (self.data_dir / ADDRESSES).unlink(missing_ok=True)
            account = server_account()
            places = prepare_places(self.data_dir, account)
            postgres, redis = self._wanted
            if redis:
                self._redis = EmbeddedRedis(places, account)
                await self._redis.start()
            if postgres:
                self._postgres = EmbeddedPostgres(places, account)
                await self._postgres.start()
            _write_addresses(self.data_dir, Addresses(self.database_url, self.redis_url))
        except BaseException:
            await self.stop()
            raise

    async def watch(self) -> None:
        """Restart a server that died, with growing pauses. Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._postgres:
                tasks.create_task(_keep_alive("postgres", self._postgres))
            if self._redis:
                tasks.create_task(_keep_alive("redis", self._redis))

    async def stop(self) -> None:
        """Shut both down cleanly and let the data directory go. Without effect a second time."""
        if not self._lock.held:
            return
        try:
            (self.data_dir / ADDRESSES).unlink(missing_ok=True)
            # Together: neither needs the other.
            await asyncio.gather(*(server.stop() for server in (self._postgres, self._redis) if server))
        finally:
            self._lock.release()


async def running_servers(data_dir: Path) -> Addresses | None:
    """Where another process has the servers of this data directory up; None if none has.

    One that has only begun to start them is waited for, at most STARTING seconds.
    """
    deadline = monotonic() + STARTING
    while is_held(data_dir) and monotonic() < deadline:
        try:
            return Addresses(**json.loads((data_dir / ADDRESSES).read_text(encoding="utf-8")))
        except FileNotFoundError:
            await asyncio.sleep(0.1)
    return None


async def _keep_alive(name: str, server: EmbeddedPostgres | EmbeddedRedis) -> None:
    pause = 0.0
    started = monotonic()
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if server.is_alive():
            continue
        if monotonic() - started > GOOD_LIFE:
            pause = 0.0
        log.warning("embedded_server_died", server=name, restart_in_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(max(pause * 2, SHORTEST_PAUSE), LONGEST_PAUSE)
        started = monotonic()
        try:
            await server.start()
        except EmbeddedError as error:
            log.error("embedded_server_not_restarted", server=name, reason=str(error))


def _write_addresses(data_dir: Path, addresses: Addresses) -> None:
    unfinished = data_dir / f"{ADDRESSES}.new"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(addresses), file)
    unfinished.replace(data_dir / ADDRESSES)
