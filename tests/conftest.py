"""What every test can ask for: a real Postgres, a real Redis, settings that name them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

from app.infra.database import Database
from app.infra.schema import upgrade
from app.infra.work import Work
from app.settings import Settings
from tests.journeys.server_process import ServerProcess, free_port
from tests.real_servers import (
    RealServers,
    create_database,
    drop_database,
    empty_tables,
    real_servers,
    short_directory,
)
from tests.redis_nodes import a_cluster

FreshDatabase = Callable[..., Awaitable[str]]
StartServer = Callable[..., Awaitable[ServerProcess]]

# The same examples every time, and no stop-watch: a busy machine must not fail a test.
hypothesis.settings.register_profile(
    "deskbell", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("deskbell")


@pytest.fixture(scope="session")
def servers() -> Iterator[RealServers]:
    """Postgres and Redis, started once (a worker of xdist has its own)."""
    with real_servers() as running:
        yield running


@pytest.fixture(scope="session")
def migrated_url(servers: RealServers) -> Iterator[str]:
    """A database migrated once, for tests that use it one after another. Ask for `database_url` instead."""
    url = asyncio.run(_migrated(servers))
    yield url
    asyncio.run(drop_database(servers.database_url, url))


@pytest.fixture
async def database_url(migrated_url: str) -> str:
    """The address of a migrated database without a row in it."""
    await empty_tables(migrated_url)
    return migrated_url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The application's way to a migrated database without a row in it."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def work(database: Database) -> AsyncIterator[Work]:
    """One transaction in a clean database, rolled back at the end. Its facts are told to nobody."""
    async with database.sessions() as session:
        yield Work(session)
        await session.rollback()


@pytest.fixture
async def fresh_database(servers: RealServers) -> AsyncIterator[FreshDatabase]:
    """Make databases of the test's own: `await fresh_database()` is empty, `(migrated=True)` has the tables."""
    made: list[str] = []

    async def make(*, migrated: bool = False) -> str:
        made.append(await create_database(servers.database_url))
        if migrated:
            await upgrade(made[-1])
        return made[-1]

    yield make
    for url in made:
        await drop_database(servers.database_url, url)


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory with a short path that the embedded servers' user can reach."""
    with short_directory() as made:
        yield made


@pytest.fixture
def redis_url(servers: RealServers) -> str:
    """The address of a Redis that others use too: put every key under `redis_prefix`."""
    return servers.redis_url


@pytest.fixture(scope="session", params=["one server", "a cluster"])
def any_redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a Redis that others use too, and then of a cluster: the test runs on both."""
    if request.param == "one server":
        yield request.getfixturevalue("servers").redis_url
        return
    with a_cluster() as cluster:
        yield cluster.url


@pytest.fixture
def redis_prefix() -> str:
    """A prefix of keys that no other test has."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def settings(database_url: str, redis_url: str, redis_prefix: str, tmp_path: Path) -> Settings:
    """Complete settings: a clean database, a prefix of its own, a secret key, no network address in use."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        redis_prefix=redis_prefix,
        data_dir=tmp_path / "data",
        secret_key="a secret key that only the tests know",
        database_pool_size=10,
    )


@pytest.fixture
async def server_process(settings: Settings, tmp_path: Path) -> AsyncIterator[StartServer]:
    """Start server processes: `await server_process()` or `(port=9001, public_url=…, any setting=…)`.

    All of a test share its database, Redis prefix and secret key. Returns when it is ready.
    """
    started: list[ServerProcess] = []

    async def start(port: int | None = None, **changes: object) -> ServerProcess:
        port = port or free_port()
        changes = {"public_url": "", **changes}
        process = ServerProcess(settings.replaced(port=port, **changes), tmp_path / f"server-{port}.log")
        started.append(process)
        await process.start()
        return process

    yield start
    for process in started:
        await process.kill()


async def _migrated(servers: RealServers) -> str:
    url = await create_database(servers.database_url)
    await upgrade(url)
    return url
