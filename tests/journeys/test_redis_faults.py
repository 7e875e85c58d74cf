"""Redis is a hint: whatever happens to it, messages are acknowledged and delivered, and new chats wait their turn."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
import pytest_asyncio

from app.infra.redis import Redis, connect
from tests.cli.conftest import Deskbell
from tests.cli.conftest import deskbell as deskbell
from tests.journeys.house import House
from tests.journeys.server_process import free_port
from tests.journeys.stage import Stage
from tests.journeys.talkers import Talker, all_is_well, everybody_spoke, pair, talking
from tests.journeys.wire_client import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")
Pairs = list[tuple[Talker, Talker]]


@pytest_asyncio.fixture(loop_scope="session")
async def stage(house: House) -> Stage:
    return house.stage


@asynccontextmanager
async def operator(house: House) -> AsyncIterator[Redis]:
    redis = connect(house.embedded.redis_url, connections=1)
    try:
        yield redis
    finally:
        await redis.aclose()


async def two_pairs(stage: Stage) -> Pairs:
    shop = await stage.shop()
    return [await pair(stage, shop, number) for number in range(2)]


async def deliveries_go_on(pairs: Pairs) -> None:
    """What was just acknowledged reaches the other side, who is on another process, by the next tail check."""
    for one, two in (*pairs, *((two, one) for one, two in pairs)):
        words, deadline = one.said[-1][1], monotonic() + 20
        while words not in two.client.texts(two.c):
            assert monotonic() < deadline, f"{two.name} never heard {words!r}"
            await asyncio.sleep(0.05)


async def test_a_killed_redis_costs_no_message_and_servers_start_without_it(house: House, stage: Stage) -> None:
    pairs = await two_pairs(stage)
    async with talking(pairs, pause_s=0.2):
        await everybody_spoke(pairs)
        async with house.without("redis"):
            await everybody_spoke(pairs, more=20)
            await deliveries_go_on(pairs)
            # The visitors' process: agents who are away for long lose their chats.
            await stage.one.stop()
            await stage.one.start()
            await everybody_spoke(pairs, more=5)
        await everybody_spoke(pairs, more=5)
    await all_is_well(stage, pairs)
    assert not any(talker.refusals for both in pairs for talker in both)


async def test_who_passes_a_chat_on_while_redis_hangs_hears_no_more_of_it(house: House, stage: Stage) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop, stage.two)
    ben = await stage.agent(await billing.hire("Ben"))
    with house.asleep("redis"):
        c = (await vera.command({"t": "start"}))["c"]
        head = await ana.head(c, "waiting")
        # To follow a lane takes Redis; before it could, there is nothing more to follow.
        gen = (await ana.command({"t": "claim", "c": c, "gen": head["gen"]}))["gen"]
        await ana.head(c, "active")
        await ana.command({"t": "transfer", "c": c, "gen": gen, "team": str(billing.team_id), "note": ""})
        await asyncio.sleep(3)
    await ben.head(c, "active", within_s=30)
    seen = len(ana.log)
    await ben.command({"t": "note", "c": c, "m": new_id(), "body": {"text": "Do not tell the shop."}})
    await ben.say(c, "Hello, Vera.")
    await vera.until(lambda f: f.get("data") == {"text": "Hello, Vera."})
    await asyncio.sleep(1)
    assert not [frame for frame in ana.log[seen:] if frame["t"] == "ev"]


@asynccontextmanager
async def full(redis: Redis) -> AsyncIterator[None]:
    """It refuses whatever would take memory."""
    before = (await redis.config_get("maxmemory"))["maxmemory"]
    await redis.config_set("maxmemory", "1")
    yield
    await redis.config_set("maxmemory", before)


@asynccontextmanager
async def read_only(redis: Redis) -> AsyncIterator[None]:
    """A failover made it somebody's replica."""
    await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    await redis.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("fault", [full, read_only])
async def test_a_redis_that_takes_nothing_stops_no_chat_and_delays_new_ones(
    house: House, stage: Stage, fault: type[full]
) -> None:
    pairs = await two_pairs(stage)
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=2))
    async with operator(house) as redis, talking(pairs):
        await everybody_spoke(pairs)
        async with fault(redis):
            await everybody_spoke(pairs, more=20)
            await deliveries_go_on(pairs)
            # Who comes now waits; nobody is assigned by themselves, but an agent may take them.
            vera, vic = await stage.visitor(shop), await stage.visitor(shop, stage.two)
            begun = [await visitor.command({"t": "start"}) for visitor in (vera, vic)]
            assert [each["conversation"]["state"] for each in begun] == ["waiting", "waiting"]
            head = await ana.head(begun[1]["c"], "waiting", within_s=15)
            await ana.command({"t": "claim", "c": head["c"], "gen": head["gen"]})
            await vic.event("joined", within_s=15)
            assert not [frame for frame in vera.log if frame.get("kind") == "joined"]
        await vera.event("joined", within_s=30)
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert not any(talker.refusals for both in pairs for talker in both)


async def test_a_flushed_redis_with_cut_connections_costs_no_message(house: House, stage: Stage) -> None:
    pairs = await two_pairs(stage)
    async with operator(house) as redis, talking(pairs):
        for _ in range(3):
            await everybody_spoke(pairs, more=5)
            await redis.flushall()
            await redis.script_flush()
            await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await everybody_spoke(pairs, more=5)
        await deliveries_go_on(pairs)
    await all_is_well(stage, pairs)
    assert not any(talker.refusals for both in pairs for talker in both)


async def test_serve_warns_of_a_redis_that_would_evict(house: House, stage: Stage, deskbell: Deskbell) -> None:
    async with operator(house) as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            settings = stage.settings.replaced(port=free_port(), public_url="", processes=1)
            serve = await deskbell("serve", **settings.environment())
            await serve.until("noeviction is needed")
            assert serve.output.count("deskbell: Redis has maxmemory-policy allkeys-lru") == 1
            serve.send(signal.SIGTERM)
            assert await serve.ended() == 0, serve.output
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
