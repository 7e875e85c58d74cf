"""What is measured: Postgres, Redis and pairs of server processes, started for the measurement and gone after it."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from app.bench.scene import Connection, foreign_sites
from app.infra.database import asyncpg_url
from app.infra.embedded import EmbeddedServers
from app.infra.embedded.child import dies_with_this_process
from app.infra.schema import upgrade
from app.settings import Settings

START_PATIENCE_S = 60.0
STOP_PATIENCE_S = 20.0
ALMOST_NO_LIMIT = 1_000_000
"""Of messages a minute and of connections: it is the server that is to be measured, not its throttle."""
NAMES = ("worker_a", "worker_b")
DESKBELL = ("-m", "app.cli.server_process")
FLOOR = ("-m", "app.bench.floor")


class BenchError(Exception):
    """The measurement cannot be made. The message is one sentence."""


@dataclass(frozen=True)
class Ground:
    """Where a measurement happens.

    Attributes:
        directory: for files of this measurement; removed after it.
        pids: by name: Postgres and Redis, if they are ours.
        sql: a connection of our own.
    """

    settings: Settings
    directory: Path
    pids: dict[str, int]
    sql: Connection


@dataclass(frozen=True)
class Pair:
    """Two server processes at work.

    Attributes:
        ports: one each.
        pids: by name: theirs, and the ground's.
    """

    ports: tuple[int, int]
    pids: dict[str, int]


@asynccontextmanager
async def ground(settings: Settings, *, configured: bool) -> AsyncGenerator[Ground]:
    """Start what server processes need; stop it at the end.

    Args:
        settings: of this environment. Its addresses are used only with `configured`.
        configured: measure against those servers instead of our own. The database must be kept for measurements.

    Raises:
        BenchError, EmbeddedError: it cannot be had.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise BenchError("Measurements need Linux: what processes use is read from /proc.")
    raise_descriptor_limit()
    # Not pytest's, not the data directory: the servers' user must get in, and nothing of it is to stay.
    directory = Path(tempfile.mkdtemp(prefix="deskbell-bench-"))
    directory.chmod(0o711)
    try:
        async with _servers(settings, directory, configured) as (settings, pids):
            await upgrade(settings.database_url)
            sql: Connection = await asyncpg.connect(asyncpg_url(settings.database_url))
            try:
                if await foreign_sites(sql):
                    raise BenchError(
                        "That database holds sites of its own: name one that is kept for measurements in "
                        "DESKBELL_DATABASE_URL."
                    )
                yield Ground(settings, directory, pids, sql)
            finally:
                await sql.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def raise_descriptor_limit() -> int:
    """Let this process and its children open as many files as the system lets them; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@asynccontextmanager
async def _servers(
    settings: Settings, directory: Path, configured: bool
) -> AsyncGenerator[tuple[Settings, dict[str, int]]]:
    changes: dict[str, object] = {
        "data_dir": directory / "data",
        "redis_prefix": "deskbell-bench",
        "visitor_messages_per_minute": ALMOST_NO_LIMIT,
        "connections": ALMOST_NO_LIMIT,
        "connections_per_address": ALMOST_NO_LIMIT,
        "log_level": "warning",
    }
    if configured:
        if not (settings.database_url and settings.redis_url):
            raise BenchError("Set DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL, or leave --use-configured out.")
        yield settings.replaced(**changes).with_secret_key(), {}
        return
    servers = EmbeddedServers(directory / "data")
    await servers.start()
    try:
        changes |= {"database_url": servers.database_url, "redis_url": servers.redis_url}
        yield settings.replaced(**changes).with_secret_key(), servers.pids
    finally:
        await servers.stop()


@asynccontextmanager
async def pair(here: Ground, program: Sequence[str] = DESKBELL) -> AsyncGenerator[Pair]:
    """Start two processes of a program and stop them at the end.

    Args:
        program: arguments of Python; DESKBELL or FLOOR.

    Raises:
        BenchError: one does not start.
    """
    running: list[asyncio.subprocess.Process] = []
    ports = (_free_port(), _free_port())
    try:
        processes = await asyncio.gather(
            *(
                _process(
                    program, here.settings.replaced(port=port, public_url=""), here.directory / f"{name}.log", running
                )
                for name, port in zip(NAMES, ports, strict=True)
            )
        )
        ours = {name: process.pid for name, process in zip(NAMES, processes, strict=True)}
        yield Pair(ports, ours | here.pids)
    finally:
        for process in running:
            if process.returncode is None:
                process.terminate()
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), STOP_PATIENCE_S)
            except TimeoutError:
                process.kill()


async def _process(
    program: Sequence[str], settings: Settings, log: Path, running: list[asyncio.subprocess.Process]
) -> asyncio.subprocess.Process:
    """Start one; return when it takes requests."""
    reading, writing = os.pipe()
    try:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *program,
                "--ready-fd",
                str(writing),
                env={**os.environ, **settings.environment()},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[writing],
                start_new_session=True,
                preexec_fn=dies_with_this_process(signal.SIGKILL),
            )
        running.append(process)
    finally:
        os.close(writing)
    try:
        ready = await asyncio.wait_for(asyncio.to_thread(os.read, reading, 1), START_PATIENCE_S)
    except TimeoutError:
        ready = b""
    finally:
        os.close(reading)
    if not ready:
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise BenchError(f"A server process does not start: {words[-1] if words else 'it says nothing'}")
    return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
