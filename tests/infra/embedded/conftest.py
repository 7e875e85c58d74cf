"""Directories, and a supervisor in a process of its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from app.infra.database import asyncpg_url

Supervise = Callable[..., Awaitable["Supervisor"]]


@dataclass
class Supervisor:
    """A process that runs servers, and what it said when they answered."""

    process: asyncio.subprocess.Process
    told: dict[str, Any]

    @property
    def pids(self) -> dict[str, int]:
        return self.told["pids"]

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@pytest.fixture
async def supervise() -> AsyncIterator[Supervise]:
    """Start servers from another process: `await supervise(data_dir, uid=…, packages=…)`."""
    started: list[Supervisor] = []

    async def start(data_dir: Path, uid: int | None = None, packages: Path | None = None) -> Supervisor:
        arguments = [str(value) for value in (data_dir, uid, packages) if value is not None]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.infra.embedded.supervisor", *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        started.append(Supervisor(process, json.loads(line or b'{"refused": "it said nothing"}')))
        return started[-1]

    yield start
    for supervisor in started:
        await supervisor.kill()
        for pid in supervisor.told.get("pids", {}).values():
            await gone(pid)


async def keep_a_row(database_url: str) -> None:
    """Write one row that must still be there later."""
    connection = await asyncpg.connect(asyncpg_url(database_url))
    await connection.execute("CREATE TABLE kept (word text)")
    await connection.execute("INSERT INTO kept VALUES ('Vera')")
    await connection.close()


async def kept_rows(database_url: str) -> list[str]:
    connection = await asyncpg.connect(asyncpg_url(database_url))
    rows = await connection.fetch("SELECT word FROM kept")
    await connection.close()
    return [row["word"] for row in rows]


async def redis_answers(redis_url: str) -> bool:
    client = Redis.from_url(redis_url)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


async def gone(pid: int, patience: float = 30) -> bool:
    """Whether the process has ended within `patience` seconds."""
    deadline = asyncio.get_running_loop().time() + patience
    while is_alive(pid):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has waited for yet has ended too.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()
