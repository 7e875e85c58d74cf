"""`deskbell bench churn`: sockets that open and break off, thousands of times; nothing of them may stay."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from app.bench.driver import driver
from app.bench.figures import ChurnFigures, Holding, machine
from app.bench.ground import NAMES, BenchError, Ground, Pair, ground, pair
from app.bench.orders import Orders
from app.bench.scene import set_scene
from app.bench.usage import memory_kib
from app.settings import Settings

CONVERSATIONS, VISITORS = 100, 200
SETTLE_S = 3.0
ANSWER_PATIENCE_S = 30.0
_RUNNING = re.compile(r"running\b.*tasks\W+(\d+)")


async def bench_churn(
    settings: Settings, cycles: int, *, configured: bool, tell: Callable[[str], None]
) -> ChurnFigures:
    """Measure.

    Args:
        settings: of this environment.
        cycles: sockets opened and reset, every second one before its hello; half of the others have a conversation.
        configured: against the configured servers instead of our own.
        tell: hears how far it is.

    Raises:
        BenchError, EmbeddedError: it cannot be done.
    """
    tell("starting Postgres, Redis and two server processes")
    async with ground(settings, configured=configured) as here, pair(here) as servers:
        where = machine()
        scene = await set_scene(here.sql, here.settings.secret_key, servers.ports, CONVERSATIONS, VISITORS)
        visitors = [seat for seat in scene.seats if seat.side == "visitor"]
        async with driver(Orders(visitors, []), here.directory) as generator:
            # What is made once and kept is there after the first few.
            await generator.churn(max(2 * len(visitors), cycles // 20))
            before = await _holding(here, servers)
            began = time.monotonic()
            tell(f"opening and resetting {cycles} sockets")
            await generator.churn(cycles // 2)
            half = await _holding(here, servers)
            await generator.churn(cycles - cycles // 2)
            seconds = time.monotonic() - began
            after = await _holding(here, servers)
            await generator.quit()
    return ChurnFigures(where, cycles, round(seconds, 1), before, half, after)


async def _holding(here: Ground, servers: Pair) -> Holding:
    await asyncio.sleep(SETTLE_S)
    pids = [servers.pids[name] for name in NAMES]
    tasks = 0
    for name, pid in zip(NAMES, pids, strict=True):
        tasks += await _tasks(pid, here.directory / f"{name}.log")
    return Holding(
        rss_mb=round(sum(map(memory_kib, pids)) / 1024, 1),
        tasks=tasks,
        files=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        connections=await here.sql.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ),
    )


async def _tasks(pid: int, log: Path) -> int:
    """Ask a server process how many tasks it has: it writes that into its log.

    Raises:
        BenchError: it does not answer.
    """
    told = len(_RUNNING.findall(log.read_text(errors="replace")))
    os.kill(pid, signal.SIGUSR2)
    deadline = time.monotonic() + ANSWER_PATIENCE_S
    while time.monotonic() < deadline:
        found = _RUNNING.findall(log.read_text(errors="replace"))
        if len(found) > told:
            return int(found[-1])
        await asyncio.sleep(0.05)
    raise BenchError("A server process does not say how many tasks it has.")
