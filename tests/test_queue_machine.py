"""The whole queue, scripts and Postgres together, on any day: what the rules say of the rows is what happened."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.infra.database import Database
from app.infra.redis import Redis, connect
from tests.queue_desk import Desk, Member, open_desk
from tests.real_servers import RealServers, empty_tables

EXAMPLES = int(os.environ.get("DESKBELL_EXAMPLES", "25"))
"""More of them find more: DESKBELL_EXAMPLES=2000 takes about an hour."""
VISITORS = 9

TEAMS: tuple[dict[str, Any], ...] = (
    {"sticky_s": None},
    {"strategy": "round_robin", "mode": "offer", "sticky_s": 60},
    {"strategy": "longest_idle", "share": 1, "skills": ("de",), "sticky_s": 60},
)


@dataclass(frozen=True)
class Step:
    """Something happens: a method of the desk, and with whom."""

    what: str
    args: tuple[Any, ...] = ()


_visitor = st.integers(0, VISITORS - 1)
_agent = st.integers(0, 2)
_steps = st.one_of(
    st.builds(lambda v: Step("comes", (v,)), _visitor),
    st.builds(lambda v: Step("comes", (v,)), _visitor),
    st.builds(
        lambda v, how: Step("answers", (v, how)),
        _visitor,
        st.sampled_from(("accept", "accept", "decline", "silence", "close", "close", "vanish")),
    ),
    st.builds(lambda v: Step("leaves", (v,)), _visitor),
    st.builds(lambda a, v: Step("claims", (a, v)), _agent, _visitor),
    st.builds(lambda a, on: Step("accepts", (a, on)), _agent, st.booleans()),
    st.just(Step("time_passes")),
    st.just(Step("redis_forgets")),
)
_members = st.lists(
    st.builds(
        Member,
        st.integers(0, 3),
        st.sampled_from(((), ("de",), ("de", "fr"))),
        st.lists(st.integers(0, len(TEAMS) - 1), min_size=1, max_size=3).map(tuple),
    ),
    min_size=3,
    max_size=3,
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@dataclass
class Place:
    """Where the days are played."""

    url: str
    database: Database
    redis: Redis


@pytest.fixture(scope="module")
def place(migrated_url: str, servers: RealServers, runner: asyncio.Runner) -> Iterator[Place]:
    async def opened() -> Place:
        return Place(migrated_url, Database(migrated_url), connect(servers.redis_url))

    async def closed(place: Place) -> None:
        await place.database.close()
        await place.redis.aclose()

    place = runner.run(opened())
    yield place
    runner.run(closed(place))


@settings(max_examples=EXAMPLES)
@given(members=_members, day=st.lists(_steps, min_size=5, max_size=30))
def test_whatever_happens_the_queue_is_as_the_rules_say(
    runner: asyncio.Runner, place: Place, members: list[Member], day: list[Step]
) -> None:
    runner.run(play(place, members, day))


async def play(place: Place, members: list[Member], day: list[Step]) -> None:
    await empty_tables(place.url)
    desk = await open_desk(place.database, place.redis, TEAMS, members, VISITORS)
    seen: dict[Any, tuple[int, int, int]] = {}
    try:
        for step in day:
            await getattr(desk, step.what)(*step.args)
            await desk.settle()
            await holds(desk, seen)
    finally:
        await desk.redis_forgets()
        await desk.settle()


async def holds(desk: Desk, seen: dict[Any, tuple[int, int, int]]) -> None:
    """What must be true whenever nothing is going on."""
    rows = await desk.sql("SELECT id, gen, episode, score, state, agent_id FROM conversation")
    for row in rows:
        gen, episode, score = seen.get(row.id, (0, 0, 0))
        assert row.gen >= gen, "generations only rise"
        assert row.episode != episode or row.score == score, "a place is kept for a whole episode"
        seen[row.id] = (row.gen, row.episode, row.score)
    overfull = await desk.sql(
        "SELECT a.name, a.load, a.capacity, count(c.id) FROM agent a LEFT JOIN conversation c ON c.agent_id = a.id "
        "GROUP BY a.id HAVING a.load > a.capacity OR a.load <> count(c.id)"
    )
    assert not overfull, "nobody has more than they can take, and all is counted"
    waiting, rules = await desk.known()
    indexed = await desk.indexed()
    assert indexed == {each.id: (each.lane, each.score, each.rule) for each in waiting}, "Redis knows who waits"
    for each in waiting:
        agent = rules.choose_agent(each)
        assert agent is None, f"{each} waits beside {agent}"
    wrong = await desk.sql(
        "SELECT c.id FROM conversation c JOIN agent a ON a.id = c.agent_id WHERE c.state = 'offered' "
        "AND (NOT a.skills @> c.skills OR a.id = ANY (c.declined))"
    )
    assert not wrong, "nobody is asked for what they cannot do or did not want"
