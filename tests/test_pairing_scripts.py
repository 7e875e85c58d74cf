"""The scripts in Redis do exactly what the rules say: the same pairs, and the same index afterwards."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from hypothesis import given, settings

from app.infra.keys import Keys
from app.infra.redis import IndexLost, Redis, Script, connect
from app.routing.assignment import MAX_PAIRS, Candidate, Index, Pair, Waiting
from app.routing.index_rows import agent_fields, arrival_args, pairs_of, slot_args
from tests.pairing_moves import AGENTS, START_MS, TEAMS, Arrival, Look, Move, Removal, SlotChange, days
from tests.test_assignment import ORDERS, moved


@dataclass
class RedisIndex:
    """The index in Redis, moved by the real scripts."""

    redis: Redis
    keys: Keys = field(default_factory=lambda: Keys(f"test-{uuid4().hex[:12]}"))
    arrival: Script = field(default_factory=lambda: Script("pairing.lua", "arrival.lua"))
    slot_freed: Script = field(default_factory=lambda: Script("pairing.lua", "slot_freed.lua"))

    async def move(self, move: Move, now_ms: int) -> list[Pair]:
        match move:
            case Arrival(waiting):
                return await self.arrive(waiting.team, [waiting], now_ms)
            case Look(team):
                return await self.arrive(team, [], now_ms)
            case SlotChange(agent):
                key, args = self.keys.agent(agent.id), [self.keys.index, now_ms, *slot_args(agent)]
                return pairs_of(await self.slot_freed(self.redis, [key], args))
            case Removal(waiting):
                await self.redis.zrem(self.keys.queue(waiting.lane), waiting.id)
                await self.redis.hdel(self.keys.rules(), waiting.id)
                return []

    async def arrive(self, team: str, waiting: Sequence[Waiting], now_ms: int, *, hold: bool = False) -> list[Pair]:
        args = [self.keys.index, now_ms, *arrival_args(waiting, hold=hold)]
        return pairs_of(await self.arrival(self.redis, [self.keys.lanes(team)], args))

    async def in_line(self, lane: str) -> list[tuple[str, float, str]]:
        """Who waits in a lane, in order: id, score, rule."""
        rows = await self.redis.zrange(self.keys.queue(lane), 0, -1, withscores=True)
        rules = {name.decode(): rule.decode() for name, rule in (await self.redis.hgetall(self.keys.rules())).items()}
        return [(member.decode(), score, rules.get(member.decode(), "")) for member, score in rows]

    async def idle(self, team: str) -> list[tuple[str, float]]:
        rows = await self.redis.zrange(self.keys.idle(team), 0, -1, withscores=True)
        return [(member.decode(), score) for member, score in rows]

    async def agent(self, agent: str) -> dict[str, str]:
        return {
            name.decode(): value.decode() for name, value in (await self.redis.hgetall(self.keys.agent(agent))).items()
        }

    async def begin(self) -> None:
        await self.redis.set(self.keys.epoch(), "a build")

    async def forget(self) -> None:
        names = [name async for name in self.redis.scan_iter(match=f"{self.keys.index}*", count=1000)]
        await self.redis.delete(*names)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def redis(any_redis_url: str, runner: asyncio.Runner) -> Iterator[Redis]:
    async def opened() -> Redis:
        return connect(any_redis_url, connections=2)

    redis = runner.run(opened())
    yield redis
    runner.run(redis.aclose())


async def same_day_twice(redis: Redis, day: list[Move]) -> None:
    rules, scripts = Index(), RedisIndex(redis)
    await scripts.begin()
    for minute, move in enumerate(day):
        now_ms = START_MS + minute
        assert await scripts.move(move, now_ms) == moved(rules, move, now_ms), move
    for lane in rules.lanes:
        assert await scripts.in_line(lane) == [(each.id, each.score, each.rule) for each in rules.in_line(lane)]
    for team in TEAMS:
        here = [(agent, place) for agent in rules.agents.values() if (place := agent.place_in(team))]
        order = sorted((agent.score(place.strategy), agent.id) for agent, place in here)
        assert await scripts.idle(team) == [(name, score) for score, name in order]
    for agent in AGENTS:
        known = rules.agents.get(agent)
        fields = agent_fields(known) if known else {}
        assert await scripts.agent(agent) == {name: str(value) for name, value in fields.items()}
    await scripts.forget()


@settings(max_examples=150)
@given(day=days)
def test_the_scripts_pair_as_the_rules_do(runner: asyncio.Runner, redis: Redis, day: list[Move]) -> None:
    runner.run(same_day_twice(redis, day))


def test_several_arrivals_at_once_and_a_rush_are_drained_in_bounded_steps(runner: asyncio.Runner, redis: Redis) -> None:
    async def rush() -> None:
        scripts = RedisIndex(redis)
        await scripts.begin()
        rush = [Waiting(f"c{number:03}", "orders", START_MS + number) for number in range(100)]
        assert await scripts.arrive("orders", rush, START_MS) == []
        ana = Candidate("ana", 0, 100, START_MS, ORDERS)
        first = await scripts.move(SlotChange(ana), START_MS)
        rest = await scripts.move(Look("orders"), START_MS)
        assert (len(first), len(rest)) == (MAX_PAIRS, 100 - MAX_PAIRS)
        assert [pair.conversation for pair in first] == [f"c{number:03}" for number in range(MAX_PAIRS)]
        await scripts.forget()

    runner.run(rush())


def test_who_stands_in_line_again_is_paired_only_when_asked_for(runner: asyncio.Runner, redis: Redis) -> None:
    async def held() -> None:
        scripts = RedisIndex(redis)
        await scripts.begin()
        assert await scripts.move(SlotChange(Candidate("ana", 0, 1, START_MS, ORDERS)), START_MS) == []
        reserved = Waiting("c01", "orders", START_MS, (), "ana")
        assert await scripts.arrive("orders", [reserved], START_MS, hold=True) == []
        assert await scripts.in_line("orders") == [("c01", START_MS, "=ana")]
        assert await scripts.move(Look("orders"), START_MS) == [Pair("c01", "ana", "orders", START_MS)]
        await scripts.forget()

    runner.run(held())


def test_without_an_epoch_no_script_touches_the_index(runner: asyncio.Runner, redis: Redis) -> None:
    async def lost() -> None:
        scripts = RedisIndex(redis)
        arrival = Arrival(Waiting("c01", "orders", START_MS))
        slot_change = SlotChange(Candidate("ana", 0, 1, START_MS, ORDERS))
        for move in (arrival, slot_change):
            # A Redis that was started anew knows neither the index nor the scripts.
            await redis.script_flush()
            for _ in range(2):
                with pytest.raises(IndexLost):
                    await scripts.move(move, START_MS)
        assert await scripts.in_line("orders") == []
        assert await scripts.agent("ana") == {}

    runner.run(lost())


def test_a_conversation_that_comes_again_keeps_its_first_place(runner: asyncio.Runner, redis: Redis) -> None:
    async def again() -> None:
        scripts = RedisIndex(redis)
        await scripts.begin()
        for score in (5, 9, 1):
            await scripts.move(Arrival(Waiting("c01", "orders", START_MS + score)), START_MS)
        assert await scripts.in_line("orders") == [("c01", START_MS + 5, "")]
        await scripts.forget()

    runner.run(again())


def test_the_scripts_are_loaded_again_after_redis_forgot_them(runner: asyncio.Runner, redis: Redis) -> None:
    async def forgotten() -> None:
        scripts = RedisIndex(redis)
        await scripts.begin()
        await redis.script_flush()
        pairs = await scripts.move(SlotChange(Candidate("ana", 0, 1, START_MS, ORDERS)), START_MS)
        assert pairs == []
        assert await scripts.move(Arrival(Waiting("c01", "orders", START_MS)), START_MS) == [
            Pair("c01", "ana", "orders", START_MS)
        ]
        await scripts.forget()

    runner.run(forgotten())
