"""The embedded servers start, keep what they were given, stop, and come back whatever was killed."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.infra.database import asyncpg_url
from app.infra.embedded import EmbeddedError, EmbeddedServers, running_servers
from tests.infra.embedded.conftest import Supervise, gone, is_alive, keep_a_row, kept_rows, redis_answers


async def test_what_was_written_is_there_after_a_restart(directory: Path) -> None:
    servers = EmbeddedServers(directory / "data")
    await servers.start()
    await keep_a_row(servers.database_url)
    first = dict(servers.pids)
    assert set(first) == {"postgres", "redis"}
    await servers.stop()
    assert [name for name, pid in first.items() if is_alive(pid)] == []

    await servers.start()
    try:
        assert await kept_rows(servers.database_url) == ["Vera"]
        assert await redis_answers(servers.redis_url)
    finally:
        await servers.stop()


async def test_a_commit_is_on_disk_and_nothing_listens_on_the_network(directory: Path) -> None:
    servers = EmbeddedServers(directory / "data")
    await servers.start()
    connection = await asyncpg.connect(asyncpg_url(servers.database_url))
    redis = Redis.from_url(servers.redis_url, decode_responses=True)
    try:
        for name, value in {"fsync": "on", "synchronous_commit": "on", "listen_addresses": ""}.items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value
        assert await connection.fetchval("SELECT lower('ÀÉÎ')") == "àéî"
        rules = await connection.fetch("SELECT type, auth_method FROM pg_hba_file_rules")
        assert [tuple(rule) for rule in rules] == [("local", "peer")]
        assert (await redis.config_get("port"))["port"] == "0"
        assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
        sockets = directory / "data" / "run"
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert {path.name for path in sockets.iterdir()} >= {".s.PGSQL.5432", "redis.sock"}
    finally:
        await connection.close()
        await redis.aclose()
        await servers.stop()


async def test_a_second_start_is_refused_in_one_sentence(directory: Path) -> None:
    first, second = EmbeddedServers(directory / "data"), EmbeddedServers(directory / "data")
    await first.start()
    try:
        with pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}: .*DESKBELL_DATA_DIR"):
            await second.start()
        await second.stop()
        assert await redis_answers(first.redis_url), "the one that was refused stopped the first"
        found = await running_servers(directory / "data")
        assert found is not None
        assert (found.database_url, found.redis_url) == (first.database_url, first.redis_url)
    finally:
        await first.stop()
    assert await running_servers(directory / "data") is None


async def test_servers_end_with_their_killed_supervisor_and_lose_nothing(directory: Path, supervise: Supervise) -> None:
    data_dir = directory / "data"
    supervisor = await supervise(data_dir)
    await keep_a_row(supervisor.told["database_url"])
    await supervisor.kill()

    # At once, while they may still be shutting down.
    servers = EmbeddedServers(data_dir)
    await servers.start()
    try:
        assert [name for name, pid in supervisor.pids.items() if not await gone(pid, 0)] == []
        assert await kept_rows(servers.database_url) == ["Vera"]
    finally:
        await servers.stop()
    assert "database system was not properly shut down" not in (data_dir / "log" / "postgres.log").read_text()


async def test_all_is_killed_at_once_and_nothing_committed_is_lost(directory: Path, supervise: Supervise) -> None:
    data_dir = directory / "data"
    supervisor = await supervise(data_dir)
    await keep_a_row(supervisor.told["database_url"])
    # The servers first: the death of the supervisor would let them end in order.
    os.kill(supervisor.process.pid, signal.SIGSTOP)
    for pid in (*supervisor.pids.values(), supervisor.process.pid):
        os.kill(pid, signal.SIGKILL)
    await supervisor.process.wait()
    assert list(data_dir.glob("pg-*/postmaster.pid")), "Postgres ended in order: nothing was proven"

    servers = EmbeddedServers(data_dir)
    await servers.start()
    try:
        assert await kept_rows(servers.database_url) == ["Vera"]
        assert await redis_answers(servers.redis_url)
    finally:
        await servers.stop()


async def test_a_server_that_dies_is_started_again(directory: Path) -> None:
    servers = EmbeddedServers(directory / "data")
    await servers.start()
    await keep_a_row(servers.database_url)
    watching = asyncio.create_task(servers.watch())
    try:
        for name in ("postgres", "redis"):
            killed = servers.pids[name]
            os.kill(killed, signal.SIGKILL)
            async with asyncio.timeout(30):
                while servers.pids.get(name) in (None, killed):
                    await asyncio.sleep(0.05)
        await _answering(servers)
        assert await kept_rows(servers.database_url) == ["Vera"]
        assert await redis_answers(servers.redis_url)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await servers.stop()


async def test_a_server_that_dies_while_it_comes_back_is_started_again(directory: Path) -> None:
    servers = EmbeddedServers(directory / "data")
    await servers.start()
    await keep_a_row(servers.database_url)
    watching = asyncio.create_task(servers.watch())
    try:
        for _ in range(4):
            os.kill(servers.pids["postgres"], signal.SIGKILL)
            await gone(servers.pids["postgres"])
            await _answering(servers, look_every_s=0)
        assert await kept_rows(servers.database_url) == ["Vera"]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await servers.stop()


async def test_a_half_made_cluster_is_made_anew(directory: Path) -> None:
    servers = EmbeddedServers(directory / "data")
    await servers.start()
    await servers.stop()
    made = next((directory / "data").glob("pg-*"))
    # As an initdb that was killed leaves it: not yet under its final name.
    made.rename(made.with_suffix(".unfinished"))
    (made.with_suffix(".unfinished") / "PG_VERSION").unlink()

    await servers.start()
    try:
        await keep_a_row(servers.database_url)
        assert await kept_rows(servers.database_url) == ["Vera"]
    finally:
        await servers.stop()


async def test_a_start_that_is_cancelled_leaves_nothing_running(directory: Path) -> None:
    servers = EmbeddedServers(directory / "data")
    starting = asyncio.create_task(servers.start())
    while not servers.pids:
        await asyncio.sleep(0)
    started = dict(servers.pids)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert [name for name, pid in started.items() if not await gone(pid, 5)] == []
    await servers.start()
    await servers.stop()


async def _answering(servers: EmbeddedServers, look_every_s: float = 0.05) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await kept_rows(servers.database_url)
                await redis_answers(servers.redis_url)
                return
            except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError, RedisError):
                await asyncio.sleep(look_every_s)
