"""`deskbell bench idle`: what sockets cost that say nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from app.bench.driver import driver
from app.bench.figures import IdleFigures, machine
from app.bench.ground import NAMES, ground, pair
from app.bench.orders import Orders
from app.bench.scene import set_scene
from app.bench.usage import cpu_of, memory_of
from app.settings import Settings

FIRST = 100
"""Sockets that are open already when the base is measured: with them comes what is made once and kept."""
SETTLE_S = 3.0


async def bench_idle(
    settings: Settings, sockets: int, seconds: float, *, configured: bool, tell: Callable[[str], None]
) -> IdleFigures:
    """Measure.

    Args:
        settings: of this environment.
        sockets: how many.
        seconds: over which processor time is watched; a heartbeat comes every 15 s.
        configured: against the configured servers instead of our own.
        tell: hears how far it is.

    Raises:
        BenchError, EmbeddedError: it cannot be done.
    """
    tell("starting Postgres, Redis and two server processes")
    async with ground(settings, configured=configured) as here, pair(here) as servers:
        where = machine()
        scene = await set_scene(here.sql, here.settings.secret_key, servers.ports, 0, sockets)
        async with driver(Orders(scene.seats, []), here.directory) as generator:
            first = min(FIRST, sockets // 2)
            await generator.open(first)
            await asyncio.sleep(SETTLE_S)
            base = memory_of(servers.pids)
            tell(f"opening {sockets} sockets")
            began = time.monotonic()
            await generator.open(sockets)
            opened_per_s = (sockets - first) / (time.monotonic() - began)
            await asyncio.sleep(SETTLE_S)
            tell(f"watching them for {seconds:g} s")
            before = cpu_of(servers.pids)
            await asyncio.sleep(seconds)
            after = cpu_of(servers.pids)
            memory = memory_of(servers.pids)
            await generator.quit()
    shares = {name: (after[name] - before[name]) / seconds for name in before}
    grown = sum(memory[name] - base[name] for name in NAMES)
    return IdleFigures(
        machine=where,
        sockets=sockets,
        rss_mb=round(sum(memory.values()) / 1024, 1),
        kib_per_socket=round(grown / (sockets - first), 1),
        cpu_share=round(sum(shares.values()), 4),
        opened_per_s=round(opened_per_s, 1),
        rss_mb_by_process={name: round(kib / 1024, 1) for name, kib in memory.items()},
        cpu_share_by_process={name: round(share, 4) for name, share in shares.items()},
    )
