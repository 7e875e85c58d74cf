"""The bus over a real Redis: what it delivers, and how it comes back when its connections are cut."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from app.infra.bus import Bus
from app.infra.keys import Keys
from app.infra.redis import Redis, connect
from tests.chaos.proxy import FaultProxy


@dataclass
class End:
    """One process's end, and what it heard."""

    bus: Bus
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    recovered: int = 0

    async def hears(self, *expected: tuple[str, bytes]) -> None:
        """Wait until exactly this was heard."""
        async with asyncio.timeout(10):
            while len(self.heard) < len(expected):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert self.heard == list(expected)


OpenEnd = Callable[..., Awaitable[End]]


@pytest.fixture
async def open_end(redis_url: str, redis_prefix: str) -> AsyncIterator[OpenEnd]:
    """Start ends of one bus: `await open_end("a")`, or with the address of a Redis in between."""
    ends: list[End] = []

    async def start(name: str, url: str = redis_url) -> End:
        def hear(topic: str, payload: bytes) -> None:
            end.heard.append((topic, payload))

        def recover() -> None:
            end.recovered += 1

        end = End(Bus(url, Keys(redis_prefix), name, hear, recover))
        end.bus.start()
        ends.append(end)
        async with asyncio.timeout(10):
            while not end.recovered:
                await asyncio.sleep(0.01)
        return end

    yield start
    for end in ends:
        await end.bus.stop()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


async def test_each_payload_reaches_the_other_process_once_and_in_order(open_end: OpenEnd) -> None:
    a, b = await open_end("a"), await open_end("b")
    await a.bus.subscribe("c:1:0")
    await b.bus.subscribe("c:1:0")

    for number in range(3000):
        a.bus.publish("c:1:0", b"%d\n{}\r\n|" % number)

    await b.hears(*(("c:1:0", b"%d\n{}\r\n|" % number) for number in range(3000)))
    assert a.heard == [], "what a process publishes it has delivered itself"


async def test_nothing_is_heard_of_topics_that_nobody_wants_any_more(open_end: OpenEnd) -> None:
    a, b = await open_end("a"), await open_end("b")
    await b.bus.subscribe("t:1")
    await b.bus.subscribe("t:2")
    b.bus.unsubscribe("t:1")
    await b.bus.subscribe("t:3")

    for topic in ("t:1", "t:2", "t:3"):
        a.bus.publish(topic, b"{}")

    await b.hears(("t:2", b"{}"), ("t:3", b"{}"))
    await b.bus.subscribe("t:1")
    a.bus.publish("t:1", b"{}")
    await b.hears(("t:2", b"{}"), ("t:3", b"{}"), ("t:1", b"{}"))


async def test_cut_connections_are_made_again_and_every_topic_with_them(open_end: OpenEnd, redis: Redis) -> None:
    a, b = await open_end("a"), await open_end("b")
    topics = [f"c:{number}:0" for number in range(500)]
    await asyncio.gather(*(b.bus.subscribe(topic) for topic in topics))
    seen = b.recovered

    await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    async with asyncio.timeout(10):
        while b.recovered == seen:
            await asyncio.sleep(0.01)

    # From the moment it is told, nothing goes past it.
    for topic in topics:
        a.bus.publish(topic, b"1\n{}")
    await b.hears(*((topic, b"1\n{}") for topic in topics))


async def test_a_subscription_that_has_fallen_silent_is_taken_for_dead(open_end: OpenEnd, redis_url: str) -> None:
    place = urlsplit(redis_url)
    proxy = FaultProxy(
        Path(unquote(place.path)) if place.scheme == "unix" else (place.hostname or "", place.port or 6379)
    )
    await proxy.start()
    try:
        a, b = await open_end("a"), await open_end("b", "redis://{}:{}".format(*proxy.address))
        await b.bus.subscribe("t:1")
        # Nothing is closed, nothing is refused: only nothing comes any more.
        proxy.drop_replies()
        a.bus.publish("t:1", b"lost")
        async with asyncio.timeout(30):
            while b.recovered < 2:
                await asyncio.sleep(0.05)
        a.bus.publish("t:1", b"heard")
        await b.hears(("t:1", b"heard"))
        await b.bus.stop()
    finally:
        await proxy.stop()


async def test_publishing_goes_on_after_redis_stood_still(open_end: OpenEnd, redis: Redis) -> None:
    a, b = await open_end("a"), await open_end("b")
    await b.bus.subscribe("t:1")

    await redis.execute_command("CLIENT", "PAUSE", "2500", "ALL")
    for number in range(10):
        a.bus.publish("t:1", b"%d" % number)

    async with asyncio.timeout(15):
        while (b"9") not in [payload for _, payload in b.heard]:
            await asyncio.sleep(0.05)
    # Some may come twice: they were sent again when no answer came. None is missing, and the first are in order.
    first = list(dict.fromkeys(payload for _, payload in b.heard))
    assert first == [b"%d" % number for number in range(10)]
