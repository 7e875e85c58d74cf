"""`deskbell bench pairing`: what it takes to give a free agent the next visitor, and how that grows with the line."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from app.bench.figures import PairingFigures, PairingRun, machine, spread
from app.bench.ground import BenchError, Ground, Pair, ground, pair
from app.bench.pairing_people import Answerer, Person, Waiter
from app.bench.pairing_scene import ON_STAGE, set_lines
from app.bench.usage import cpu_of, stolen_s
from app.infra.keys import Keys
from app.infra.redis import Redis, connect, keys_like
from app.settings import Settings

BESIDE = (1_000, 10_000)
"""Shorter lines that are measured beside the one asked for."""
WARM_UP = 150
"""Pairings before the first that counts: of each connection to Postgres the first few statements are planned anew."""
ONE_BY_ONE = 150
"""Pairings of which nothing else is under way at the time: their latency is reported."""
AT_ONCE = 120
"""Pairings with all agents on stage at work: their rate and cost are reported."""
QUIET_S = 5.0
OPENING = 8
"""Sockets being opened at a time."""
INDEX_PATIENCE_S = 300.0


async def bench_pairing(
    settings: Settings, waiting: int, agents: int, lanes: int, *, configured: bool, tell: Callable[[str], None]
) -> PairingFigures:
    """Measure lines of several lengths, the one asked for last.

    Args:
        settings: of this environment.
        waiting: conversations in line.
        agents: who are there.
        lanes: teams with a line each.
        configured: against the configured servers instead of our own.
        tell: hears how far it is.

    Raises:
        BenchError, EmbeddedError: it cannot be done.
    """
    tell("starting Postgres and Redis")
    async with ground(settings, configured=configured) as here:
        where = machine()
        runs: list[PairingRun] = []
        for count in (*(n for n in BESIDE if n < waiting), waiting):
            runs.append(await _measure(here, count, agents, lanes, tell))
            tell(f"{count} in line: pairing p50 {runs[-1].pairing_ms.p50} ms, p99 {runs[-1].pairing_ms.p99} ms")
    last = runs[-1]
    return PairingFigures(
        machine=where,
        waiting=last.waiting,
        agents=last.agents,
        lanes=last.lanes,
        pairing_ms=last.pairing_ms,
        pairings_per_s=last.pairings_per_s,
        cpu_us_per_pairing=last.cpu_us_per_pairing,
        redis_mb=last.redis_mb,
        rebuild_s=last.rebuild_s,
        runs=runs,
    )


async def _measure(here: Ground, waiting: int, agents: int, lanes: int, tell: Callable[[str], None]) -> PairingRun:
    tell(f"{waiting} in line: storing them")
    redis = connect(here.settings.redis_url, connections=2)
    keys = Keys(here.settings.redis_prefix)
    people: list[Person] = []
    # Each on stage begins with one; somebody must be left when the index is built anew.
    share = (waiting - ON_STAGE) // 4
    try:
        await redis.flushall()
        lines = await set_lines(here.sql, here.settings.secret_key, waiting, agents, lanes)
        tell(f"{waiting} in line: starting two server processes")
        async with pair(here) as servers:
            waiters = {str(c): Waiter(servers.ports[n % 2], token) for n, (c, token) in enumerate(lines.visitors)}
            answerers = [Answerer(servers.ports[n % 2], ticket, waiters) for n, (_, ticket) in enumerate(lines.agents)]
            people += [*waiters.values(), *answerers]
            await _indexed(redis, keys, waiting)
            await _arrive(people)
            tell(f"{waiting} in line: pairing")
            await asyncio.sleep(QUIET_S)
            quiet = cpu_of(servers.pids)
            await asyncio.sleep(QUIET_S)
            shares = {name: (now - quiet[name]) / QUIET_S for name, now in cpu_of(servers.pids).items()}
            for answerer in answerers:
                await answerer.begin()
            await _all_at_once(answerers, min(WARM_UP, share))
            stolen, began = stolen_s(), time.monotonic()
            one_by_one = [await answerers[n % len(answerers)].pair() for n in range(min(ONE_BY_ONE, share))]
            stolen_share = (stolen_s() - stolen) / (time.monotonic() - began) / (os.cpu_count() or 1)
            before, began = _used(servers), time.monotonic()
            done = await _all_at_once(answerers, min(AT_ONCE, share))
            lasted = time.monotonic() - began
            after = _used(servers)
            memory: dict[str, int] = await redis.info("memory")
            tell(f"{waiting} in line: building the index anew")
            rebuild_s = await _rebuilt(redis, keys, answerers[0])
            return PairingRun(
                waiting=waiting,
                agents=agents,
                lanes=lanes,
                pairing_ms=spread([ms for ms in one_by_one if ms is not None]),
                stolen_share=round(stolen_share, 3),
                pairings_per_s=round(done / lasted, 1),
                cpu_us_per_pairing={name: round((after[name] - before[name]) / done * 1e6) for name in after},
                redis_mb=round(memory["used_memory"] / 1e6, 1),
                rebuild_s=round(rebuild_s, 2),
                quiet_cpu_share={name: round(share, 3) for name, share in shares.items()},
                missed=sum(answerer.missed for answerer in answerers),
                put_off=sum(answerer.put_off for answerer in answerers),
            )
    finally:
        for person in people:
            person.leave()
        await redis.aclose()


def _used(servers: Pair) -> dict[str, float]:
    """Return processor seconds by process. Of our own without our children: the servers are among them."""
    return cpu_of(servers.pids) | {"load": time.process_time()}


async def _arrive(people: Sequence[Person]) -> None:
    places = asyncio.Semaphore(OPENING)

    async def arrive(person: Person) -> None:
        async with places:
            await person.arrive()

    await asyncio.gather(*(arrive(person) for person in people))


async def _all_at_once(answerers: Sequence[Answerer], pairings: int) -> int:
    """Let every agent close and take the next; return how many pairings there were."""
    left = pairings

    async def work(answerer: Answerer) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await answerer.pair()

    await asyncio.gather(*(work(answerer) for answerer in answerers))
    return pairings


async def _indexed(redis: Redis, keys: Keys, waiting: int) -> None:
    """Wait until the index holds everybody."""
    deadline = time.monotonic() + INDEX_PATIENCE_S
    while await _in_line(redis, keys) < waiting:
        if time.monotonic() > deadline:
            raise BenchError("The index of the queue was not built.")
        await asyncio.sleep(0.1)


async def _in_line(redis: Redis, keys: Keys) -> int:
    if not await redis.exists(keys.epoch()):
        return 0
    pipeline = redis.pipeline(transaction=False)
    for key in await keys_like(redis, keys.queue("*")):
        pipeline.zcard(key)
    return sum(await pipeline.execute())


async def _rebuilt(redis: Redis, keys: Keys, answerer: Answerer) -> float:
    """Let Redis forget all, and an agent close a chat; return the seconds until the index is there again."""
    await redis.flushall()
    began = time.monotonic()
    next_one = asyncio.create_task(answerer.pair())
    while not await redis.exists(keys.epoch()):
        if time.monotonic() - began > INDEX_PATIENCE_S:
            raise BenchError("The index of the queue was not built again.")
        await asyncio.sleep(0.005)
    lasted = time.monotonic() - began
    await next_one
    return lasted
