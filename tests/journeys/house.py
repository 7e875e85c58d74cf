"""Postgres and Redis of a test's own, to be stopped and killed, with two server processes on them."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from typing import Any

import asyncpg

from app.infra.database import asyncpg_url
from app.infra.embedded import EmbeddedServers
from app.infra.redis import FAILURES, connect
from tests.journeys.stage import Stage, a_stage
from tests.process_table import children
from tests.real_servers import RealServers, short_directory

DISK_MB = 300


@dataclass
class House:
    """The servers, and the stage on them.

    Attributes:
        disk: a small file system that holds their data, where one can be had.
    """

    embedded: EmbeddedServers
    stage: Stage
    disk: Path | None

    def signal(self, server: str, number: Signals) -> None:
        os.kill(self.embedded.pids[server], number)

    @contextmanager
    def asleep(self, server: str) -> Iterator[None]:
        """All of a server's processes stand still: it takes what is said to it and answers nothing."""
        main = self.embedded.pids[server]
        stopped = [main]
        os.kill(main, SIGSTOP)
        for pid in children(main):
            os.kill(pid, SIGSTOP)
            stopped.append(pid)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, SIGCONT)

    @asynccontextmanager
    async def without(self, server: str, how: Signals = SIGKILL) -> AsyncIterator[None]:
        """Kill a server; when the block ends, it is started again."""
        killed = self.embedded.pids[server]
        self.signal(server, how)
        try:
            yield
        finally:
            watching = asyncio.create_task(self.embedded.watch())
            async with asyncio.timeout(60):
                while self.embedded.pids.get(server) in (None, killed) or not await self._answers(server):
                    await asyncio.sleep(0.05)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _answers(self, server: str) -> bool:
        if server == "redis":
            redis = connect(self.embedded.redis_url, connections=1)
            try:
                return bool(await redis.ping())
            except FAILURES:
                return False
            finally:
                await redis.aclose()
        try:
            await (await asyncpg.connect(asyncpg_url(self.embedded.database_url))).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@asynccontextmanager
async def a_house(logs: Path, **settings: Any) -> AsyncIterator[House]:
    """Start everything."""
    with short_directory() as directory, small_disk(directory) as disk:
        embedded = EmbeddedServers(directory / "data")
        await embedded.start()
        try:
            servers = RealServers(embedded.database_url, embedded.redis_url)
            async with a_stage(servers, logs, **settings) as stage:
                yield House(embedded, stage, disk)
        finally:
            await embedded.stop()


@contextmanager
def small_disk(directory: Path) -> Iterator[Path | None]:
    """Make a directory a file system of its own, so that it can be filled. Only root may."""
    size = f"size={DISK_MB}m,mode=711"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "deskbell-test", str(directory)], check=False)
    try:
        yield None if made.returncode else directory
    finally:
        if not made.returncode:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)
