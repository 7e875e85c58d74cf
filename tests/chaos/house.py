"""What is broken: Postgres, Redis and server processes of the campaign's own, each connection through a fault proxy."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

import asyncpg

from app.infra.database import Database, asyncpg_url
from app.infra.embedded import EmbeddedServers
from app.infra.keys import Keys
from app.infra.redis import FAILURES, Redis, connect
from app.infra.schema import upgrade
from app.settings import Settings
from tests.chaos.crowding import crowding
from tests.chaos.proxy import FaultProxy
from tests.journeys.server_process import READY_PATIENCE, ServerProcess, free_port
from tests.real_servers import short_directory

ORIGIN = "http://desk.example"
SECRET = "a secret key that only the campaign knows"
AUDIT = Path(__file__).with_name("audit.sql")
WORKER = ("-m", "app.cli", "worker")
MOST_CONNECTIONS = 4
Server = Literal["postgres", "redis"]


@dataclass
class Gateway:
    """One server process, the way clients take to it, and its own ways to Postgres and Redis."""

    name: str
    process: ServerProcess
    door: FaultProxy
    to_postgres: FaultProxy
    to_redis: FaultProxy

    @property
    def proxies(self) -> tuple[FaultProxy, FaultProxy, FaultProxy]:
        return self.door, self.to_postgres, self.to_redis

    async def kill(self) -> None:
        """SIGKILL."""
        await self.process.kill()

    async def start(self) -> None:
        """Start it (again) on its port; return when it is ready."""
        self.process.patience_s = READY_PATIENCE * crowding()
        await self.process.start()


@dataclass
class House:
    """Everything that can be broken.

    Attributes:
        database, pool: the harness's own ways to Postgres, past all proxies.
        logs: where the server processes write.
    """

    embedded: EmbeddedServers
    gateways: list[Gateway]
    database: Database
    settings: Settings
    logs: Path
    pool: Any

    @property
    def keys(self) -> Keys:
        return Keys(self.settings.redis_prefix)

    def doors(self) -> list[tuple[str, int]]:
        """Return where clients may connect now."""
        return [gateway.door.address for gateway in self.gateways]  # type: ignore[misc]

    async def sql(self, statement: str, *values: object) -> list[Any]:
        """Run a statement as the operator of the database; once more on a new connection if the first was broken."""
        for patience in range(MOST_CONNECTIONS, -1, -1):
            try:
                return await self.pool.fetch(statement, *values)
            except (
                OSError,
                asyncpg.InterfaceError,
                # What asyncpg calls it when a connection breaks at an awkward moment.
                asyncpg.InternalClientError,
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,
            ):
                if not patience:
                    raise
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """A client of Redis, past all proxies."""
        client = connect(self.embedded.redis_url, connections=1)
        try:
            yield client
        finally:
            await client.aclose()

    def signal(self, server: Server, number: signal.Signals) -> None:
        """Send a signal to Postgres or Redis."""
        os.kill(self.embedded.pids[server], number)

    async def end(self, server: Server, number: signal.Signals) -> int:
        """End Postgres or Redis with a signal; return when the process is gone."""
        pid = self.embedded.pids[server]
        os.kill(pid, number)
        child = getattr(self.embedded, f"_{server}")
        async with asyncio.timeout(30):
            while child.is_alive():
                await asyncio.sleep(0.02)
        return pid

    async def revive(self, server: Server, ended: int) -> None:
        """Start a server that was ended; return when it answers."""
        watching = asyncio.create_task(self.embedded.watch())
        try:
            async with asyncio.timeout(60):
                while self.embedded.pids.get(server) in (None, ended) or not await self._answers(server):
                    await asyncio.sleep(0.05)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _answers(self, server: Server) -> bool:
        try:
            if server == "redis":
                async with self.redis() as redis:
                    return bool(await redis.ping())
            await (await asyncpg.connect(asyncpg_url(self.embedded.database_url))).close()
        except (*FAILURES, asyncpg.PostgresError):
            return False
        return True


@asynccontextmanager
async def a_house(logs: Path, gateways: int = 3, worker: Sequence[str] = WORKER) -> AsyncIterator[House]:
    """Start Postgres, Redis, server processes and the proxies between all of them.

    Args:
        logs: a directory for what the server processes write.
        gateways: how many server processes.
        worker: the words after `python` that start one.
    """
    logs.mkdir(parents=True, exist_ok=True)
    for old in logs.glob("gateway-*.log"):
        old.unlink()
    with short_directory() as directory:
        embedded = EmbeddedServers(directory / "data")
        await embedded.start()
        database = Database(embedded.database_url)
        made: list[Gateway] = []
        pool = asyncpg.create_pool(
            asyncpg_url(embedded.database_url), min_size=0, max_size=MOST_CONNECTIONS, timeout=10, command_timeout=30
        )
        try:
            await pool
            await upgrade(embedded.database_url)
            settings = Settings(
                database_url=embedded.database_url,
                redis_url=embedded.redis_url,
                redis_prefix=f"chaos-{uuid4().hex[:8]}",
                data_dir=directory / "worker",
                public_url=ORIGIN,
                secret_key=SECRET,
                database_pool_size=10,
                visitor_messages_per_minute=6000,
                connections_per_address=5000,
            )
            house = House(embedded, made, database, settings, logs, pool)
            await pool.execute(AUDIT.read_text())
            for number in range(gateways):
                made.append(await _gateway(settings, directory, logs, number, worker))
            await asyncio.gather(*(gateway.start() for gateway in made))
            yield house
        finally:
            for gateway in made:
                await gateway.kill()
                for proxy in gateway.proxies:
                    await proxy.stop()
            pool.terminate()
            await database.close()
            await embedded.stop()


async def _gateway(settings: Settings, directory: Path, logs: Path, number: int, worker: Sequence[str]) -> Gateway:
    name = "abcdefgh"[number]
    ways = directory / name
    ways.mkdir(mode=0o700)
    base, _, sockets = settings.database_url.partition("?host=")
    to_postgres = FaultProxy(Path(sockets) / ".s.PGSQL.5432", ways / ".s.PGSQL.5432")
    to_redis = FaultProxy(Path(settings.redis_url.removeprefix("unix://")), ways / "redis.sock")
    process = ServerProcess(
        settings.replaced(
            port=free_port(),
            database_url=f"{base}?host={quote(str(ways), safe='/')}",
            redis_url=f"unix://{ways}/redis.sock",
        ),
        logs / f"gateway-{name}.log",
        worker,
    )
    door = FaultProxy(("127.0.0.1", process.settings.port))
    gateway = Gateway(name, process, door, to_postgres, to_redis)
    for proxy in gateway.proxies:
        await proxy.start()
    return gateway
