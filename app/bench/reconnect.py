"""`deskbell bench reconnect`: a server process dies, its sockets come to the other, and Redis has forgotten all."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from app.bench.driver import driver
from app.bench.figures import ReconnectFigures, machine, spread
from app.bench.ground import ground, pair
from app.bench.orders import Orders
from app.bench.scene import set_scene
from app.infra.redis_link import open_link, pack
from app.settings import Settings

SETTLE_S = 20.0
"""Everybody has been pinged by then: sockets that live for long have been."""


async def bench_reconnect(
    settings: Settings, sockets: int, *, configured: bool, tell: Callable[[str], None]
) -> ReconnectFigures:
    """Measure.

    Args:
        settings: of this environment.
        sockets: visitors, each in a conversation, who lose their process; their agents sit on the other.
        configured: against the configured servers instead of our own. Everything in that Redis is forgotten.
        tell: hears how far it is.

    Raises:
        BenchError, EmbeddedError: it cannot be done.
    """
    tell("starting Postgres, Redis and two server processes")
    async with ground(settings, configured=configured) as here, pair(here) as servers:
        where = machine()
        dies, stays = servers.ports
        scene = await set_scene(here.sql, here.settings.secret_key, servers.ports, sockets, 0)
        for seat in scene.seats:
            seat.port = stays if seat.side == "agent" else dies
        orders = Orders(scene.seats, [str(conversation) for conversation in scene.conversations], refuge=stays)
        async with driver(orders, here.directory) as generator:
            tell(f"opening {len(scene.seats)} sockets")
            await generator.open(len(scene.seats))
            await asyncio.sleep(SETTLE_S)
            tell(f"flushing Redis and killing the process of {sockets} of them")
            generator.lose()
            await generator.begun()
            await _flush(here.settings.redis_url)
            os.kill(servers.pids["worker_a"], signal.SIGKILL)
            await generator.ended()
            seen = await generator.returned()
    return ReconnectFigures(
        machine=where,
        sockets=sockets,
        spread_s=round(seen.spread_s, 2),
        handshake_ms=spread(seen.handshake_ms),
        caught_up_s=round(seen.caught_up_s, 2),
        refused=seen.refused,
        missing=seen.missing,
        doubled=seen.doubled,
        unacknowledged=seen.unacknowledged,
    )


async def _flush(url: str) -> None:
    answered = asyncio.Event()
    link = await open_link(url, lambda _: answered.set())
    link.write(pack(b"FLUSHALL"))
    await answered.wait()
    await link.close()
