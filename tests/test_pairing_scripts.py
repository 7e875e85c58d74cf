"""The scripts in Redis do exactly what the rules say: the same pairs, and the same index afterwards."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from hypothesis import given, settings

from app.infra.keys import Keys
from app.infra.redis import IndexLost, Redis, Script, connect
from app.routing.assignment import MAX_PAIRS, Candidate, Index, Pair
from tests.pairing_moves import AGENTS, START_MS, TEAMS, Arrival, Move, Removal, SlotChange, days
from tests.test_assignment import moved


@dataclass
class RedisIndex:
    """The index in Redis, moved by the real scripts."""

    redis: Redis
    keys: Keys = field(default_factory=lambda: Keys(f"test-{uuid4().hex[:12]}"))
    arrival: Script = field(default_factory=lambda: Script("pairing.lua", "arrival.lua"))
    slot_freed: Script = field(default_factory=lambda: Script("pairing.lua", "slot_freed.lua"))

    async def move(self, move: Move, now_ms: int) -> list[Pair]:
        args: list[str | int] = [self.keys.root, now_ms]
        match move:
            case Arrival(team, conversation, score):
                key, script, args = self.keys.queue(team), self.arrival, [*args, team, score, conversation]
            case SlotChange(agent):
                key, script = self.keys.agent(agent.id), self.slot_freed
                teams = ",".join(agent.teams)
                args += [agent.id, agent.load, agent.capacity, agent.rev, agent.last_ms, teams]
            case Removal(team, conversation):
                await self.redis.zrem(self.keys.queue(team), conversation)
                return []
        found = await script(self.redis, [key], args)
        return [Pair(c.decode(), a.decode(), t.decode(), int(s)) for c, a, t, s in found]

    async def waiting(self, team: str) -> list[tuple[str, float]]:
        rows = await self.redis.zrange(self.keys.queue(team), 0, -1, withscores=True)
        return [(member.decode(), score) for member, score in rows]

    async def idle(self, team: str) -> list[tuple[str, float]]:
        rows = await self.redis.zrange(self.keys.idle(team), 0, -1, withscores=True)
        return [(member.decode(), score) for member, score in rows]

    async def agent(self, agent: str) -> Candidate | None:
        state = {
            name.decode(): value.decode() for name, value in (await self.redis.hgetall(self.keys.agent(agent))).items()
        }
        if not state:
            return None
        return Candidate(
            agent,
            int(state["load"]),
            int(state["capacity"]),
            int(state["last"]),
            tuple(team for team in state["teams"].split(",") if team),
            int(state["rev"]),
        )

    async def begin(self) -> None:
        await self.redis.set(self.keys.epoch(), "a build")

    async def forget(self) -> None:
        names = [self.keys.epoch(), *map(self.keys.agent, AGENTS)]
        names += [key(team) for team in TEAMS for key in (self.keys.queue, self.keys.idle)]
        await self.redis.delete(*names)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def redis(servers, runner: asyncio.Runner) -> Iterator[Redis]:
    async def opened() -> Redis:
        return connect(servers.redis_url, connections=2)

    redis = runner.run(opened())
    yield redis
    runner.run(redis.aclose())


async def same_day_twice(redis: Redis, day: list[Move]) -> None:
    rules, scripts = Index(), RedisIndex(redis)
    await scripts.begin()
    for minute, move in enumerate(day):
        now_ms = START_MS + minute
        assert await scripts.move(move, now_ms) == moved(rules, move, now_ms), move
    for team in TEAMS:
        queue = rules.queues.get(team, {})
        assert await scripts.waiting(team) == sorted(queue.items(), key=lambda item: (item[1], item[0]))
        free = [agent for agent in rules.agents.values() if team in agent.teams and agent.has_room]
        order = sorted(free, key=lambda agent: (agent.least_busy, agent.id))
        assert await scripts.idle(team) == [(agent.id, agent.least_busy) for agent in order]
    for agent in AGENTS:
        assert await scripts.agent(agent) == rules.agents.get(agent)
    await scripts.forget()


@settings(max_examples=150)
@given(day=days)
def test_the_scripts_pair_as_the_rules_do(runner: asyncio.Runner, redis: Redis, day: list[Move]) -> None:
    runner.run(same_day_twice(redis, day))


def test_several_arrivals_at_once_and_a_rush_are_drained_in_bounded_steps(runner: asyncio.Runner, redis: Redis) -> None:
    async def rush() -> None:
        scripts = RedisIndex(redis)
        await scripts.begin()
        args: list[str | int] = [scripts.keys.root, START_MS, "orders"]
        for number in range(100):
            args += [START_MS + number, f"c{number:03}"]
        assert await scripts.arrival(redis, [scripts.keys.queue("orders")], args) == []
        ana = Candidate("ana", 0, 100, START_MS, ("orders",))
        first = await scripts.move(SlotChange(ana), START_MS)
        # None more arrives: the call only goes on where the last one stopped.
        rest = await scripts.arrival(redis, [scripts.keys.queue("orders")], args[:3])
        assert (len(first), len(rest)) == (MAX_PAIRS, 100 - MAX_PAIRS)
        assert [pair.conversation for pair in first] == [f"c{number:03}" for number in range(MAX_PAIRS)]
        await scripts.forget()

    runner.run(rush())


def test_without_an_epoch_no_script_touches_the_index(runner: asyncio.Runner, redis: Redis) -> None:
    async def lost() -> None:
        scripts = RedisIndex(redis)
        arrival = Arrival("orders", "c01", START_MS)
        slot_change = SlotChange(Candidate("ana", 0, 1, START_MS, ("orders",)))
        for move in (arrival, slot_change):
            # A Redis that was started anew knows neither the index nor the scripts.
            await redis.script_flush()
            for _ in range(2):
                with pytest.raises(IndexLost):
                    await scripts.move(move, START_MS)
        assert await scripts.waiting("orders") == []
        assert await scripts.agent("ana") is None

    runner.run(lost())


def test_a_conversation_that_comes_again_keeps_its_first_place(runner: asyncio.Runner, redis: Redis) -> None:
    async def again() -> None:
        scripts = RedisIndex(redis)
        await scripts.begin()
        for score in (5, 9, 1):
            await scripts.move(Arrival("orders", "c01", START_MS + score), START_MS)
        assert await scripts.waiting("orders") == [("c01", START_MS + 5)]
        await scripts.forget()

    runner.run(again())


def test_the_scripts_are_loaded_again_after_redis_forgot_them(runner: asyncio.Runner, redis: Redis) -> None:
    async def forgotten() -> None:
        scripts = RedisIndex(redis)
        await scripts.begin()
        await redis.script_flush()
        pairs = await scripts.move(SlotChange(Candidate("ana", 0, 1, START_MS, ("orders",))), START_MS)
        assert pairs == []
        assert await scripts.move(Arrival("orders", "c01", START_MS), START_MS) == [
            Pair("c01", "ana", "orders", START_MS)
        ]
        await scripts.forget()

    runner.run(forgotten())
