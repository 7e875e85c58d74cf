"""Deskbell on a Redis Cluster, and behind sentinels: chats as ever, and also when the server of the queue dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import pytest

from app.infra.database import asyncpg_url
from tests.journeys.audited import breaches, watch_commits, what_was_seen
from tests.journeys.stage import Stage, a_stage
from tests.journeys.wire_client import WireClient
from tests.real_servers import RealServers
from tests.redis_nodes import Node, a_cluster, a_watched_redis

WAITING = 10
SERVED_BEFORE = 3
PATIENCE_S = 90.0
"""Measured: about five seconds, of which the servers of Redis take two to give the dead one up."""


def cluster() -> AbstractContextManager[Any]:
    return a_cluster(replicas=1)


@pytest.mark.slow
@pytest.mark.parametrize(("servers_of_redis", "first"), [(cluster, "owner"), (a_watched_redis, "primary")])
async def test_chats_go_on_when_the_server_that_has_the_queue_dies(
    servers: RealServers, tmp_path: Path, servers_of_redis: Callable[[], AbstractContextManager[Any]], first: str
) -> None:
    with servers_of_redis() as nodes:
        async with a_stage(RealServers(servers.database_url, nodes.url), tmp_path) as stage:
            sql: Any = await asyncpg.connect(asyncpg_url(stage.settings.database_url))
            try:
                await watch_commits(sql)
                await they_talk(stage)
                stuck_s = await they_are_served_although_it_dies(stage, getattr(nodes, first))
                print(f"\n{first} killed: for {stuck_s:.1f} s nobody was served")
                assert breaches(await what_was_seen(sql)) == []
            finally:
                await sql.close()
                await stage.send_home()


async def they_talk(stage: Stage) -> None:
    """A visitor is paired with an agent on the other process, and their words cross the bus."""
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana"))
    vera = await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    await vera.say(c, "Do you have the blue one?")
    await ana.event("message", c=c)
    await ana.say(c, "We do.")
    await vera.until(lambda f: f["t"] == "ev" and f["data"].get("text") == "We do.")
    await ana.command({"t": "close", "c": c, "gen": gen})


async def they_are_served_although_it_dies(stage: Stage, node: Node) -> float:
    """One agent, many visitors; some of them come while the server dies. Return the longest pause, in seconds."""
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=1))
    visitors = [await stage.visitor(shop, (stage.one, stage.two)[n % 2]) for n in range(2 * WAITING)]
    begun = {(await visitor.command({"t": "start"}))["c"] for visitor in visitors[:WAITING]}
    served: list[str] = []
    while len(served) < SERVED_BEFORE:
        served.append(await serve(ana, set(served)))
    coming = [asyncio.create_task(visitor.command({"t": "start"}, within_s=60)) for visitor in visitors[WAITING:]]
    await asyncio.wait(coming[:2])
    node.kill()
    longest_s, before = 0.0, monotonic()
    while len(served) < len(visitors):
        served.append(await serve(ana, set(served)))
        longest_s, before = max(longest_s, monotonic() - before), monotonic()
    begun |= {(await each)["c"] for each in coming}
    assert set(served) == begun
    assert len(served) == len(begun), "everybody had her once"
    return longest_s


async def serve(ana: WireClient, done: set[str]) -> str:
    """Close the next chat that she gets; return it."""
    frame = await ana.until(
        lambda f: (
            f["t"] == "head"
            and f["head"]["state"] == "active"
            and f["head"]["agent"]["id"] == ana.snapshot["me"]["id"]
            and f["head"]["c"] not in done
        ),
        within_s=PATIENCE_S,
    )
    await ana.command({"t": "close", "c": frame["head"]["c"], "gen": frame["head"]["gen"]})
    return frame["head"]["c"]
