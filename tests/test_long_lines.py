"""Lines of many: the index is compared a stretch at a time, and a rush is paired to its end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest

from app.events import Event
from app.infra.database import Database
from app.infra.keys import Keys
from app.infra.redis import Redis, connect, members
from app.infra.turns import Turns
from app.infra.work import WorkUnits
from app.routing import index_check, offers, queue
from app.routing.assignment import MAX_PAIRS, Pair
from app.routing.offers import offer_pairs
from app.routing.queue import Queue
from app.settings import Settings
from tests.queue_desk import Desk, Member, open_desk


async def nobody_reacts(facts: Sequence[Event]) -> None:
    del facts


TEAMS: tuple[dict[str, Any], ...] = ({}, {"skills": ("de",)}, {}, {})


@pytest.fixture
async def redis(any_redis_url: str) -> AsyncIterator[Redis]:
    redis = connect(any_redis_url)
    yield redis
    await redis.aclose()


async def they_wait(desk: Desk, team: int, count: int, skills: tuple[str, ...] = ()) -> None:
    """So many come to a team, some of them in the same moment. The queue does not hear of it."""
    await desk.sql(
        """
        WITH people AS (
            INSERT INTO visitor (id, site_id) SELECT gen_random_uuid(), CAST(:site AS uuid)
            FROM generate_series(1, :count) RETURNING id
        )
        INSERT INTO conversation (id, site_id, team_id, visitor_id, state, gen, score, skills, changed_at)
        SELECT gen_random_uuid(), :site, :team, id, 'waiting', 1, 1000 + row_number() OVER () / 3, :skills,
               now() - interval '1 hour' FROM people
        """,
        site=desk.sites[team], team=desk.teams[team], count=count, skills=list(skills),
    )  # fmt: skip


async def the_index_is_right(desk: Desk) -> bool:
    waiting, _ = await desk.known()
    return await desk.indexed() == {each.id: (each.lane, each.score, each.rule) for each in waiting}


async def test_whatever_is_wrong_in_a_line_of_many_stretches_is_put_right(
    database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_check, "STRETCH", 4)
    desk = await open_desk(database, redis, TEAMS, [], 0)
    await they_wait(desk, 0, 17)
    await they_wait(desk, 1, 6)
    await they_wait(desk, 1, 6, ("de",))
    await they_wait(desk, 2, 1)
    assert not await the_index_is_right(desk), "nobody was told that they came"
    await desk.queue.compare()
    assert await the_index_is_right(desk)

    lane = desk.keys.queue(str(desk.teams[0]))
    other, empty = (desk.keys.queue(str(desk.teams[team])) for team in (1, 3))
    forgotten, moved, early, kept, *_ = sorted(await members(redis, lane))
    await redis.zrem(lane, forgotten, moved)
    await redis.zadd(other, {moved: 1000})
    await redis.zadd(lane, {early: 1})
    await redis.hset(desk.keys.rules(), kept, f"={uuid4()}")
    # Nobody waits for the last team: somebody long gone stands there all the same, and one at the end of another line.
    await redis.sadd(desk.keys.lanes(desk.teams[3]), str(desk.teams[3]))
    await redis.zadd(empty, {str(uuid4()): 5})
    await redis.zadd(lane, {str(uuid4()): 9_999_999})
    await desk.queue.compare()
    assert await the_index_is_right(desk)
    assert await redis.zscore(empty, forgotten) is None


async def test_everybody_is_paired_however_many_come_free_at_once(database: Database, redis: Redis) -> None:
    desk = await open_desk(database, redis, TEAMS[:1], [Member(100, (), (0,)), Member(10, (), (0,))], 0)
    await they_wait(desk, 0, MAX_PAIRS + 60)
    # Nobody looks again after an agent who was given something.
    await redis.delete(desk.keys.epoch())
    await Queue(redis, desk.keys, WorkUnits(database, nobody_reacts)).rebuild()
    offered = await desk.sql("SELECT agent_id, count(*) AS chats FROM conversation WHERE state = 'offered' GROUP BY 1")
    assert sorted(row.chats for row in offered) == [10, 100]
    assert await the_index_is_right(desk)


async def test_an_agent_who_changes_several_times_at_once_is_proposed_for_each_room_once(
    database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await open_desk(database, redis, TEAMS[:1], [Member(2, (), (0,))], 0)
    (ana,) = desk.agents
    await desk.accepts(0, False)
    await desk.settle()
    await they_wait(desk, 0, 9)
    await desk.queue.compare()
    refused = list[Pair]()

    async def watched(*claim: Any) -> list[Pair]:
        refused.extend(found := await offer_pairs(*claim))
        return found

    monkeypatch.setattr(queue, "offer_pairs", watched)
    await desk.sql("UPDATE agent SET accepting = true, rev = rev + 1 WHERE id = :id", id=ana)
    await asyncio.gather(*(desk.queue.refresh_agent(ana) for _ in range(5)))
    await desk.settle()
    assert len(await desk.sql("SELECT 1 FROM conversation WHERE state = 'offered'")) == 2
    assert refused == []
    assert await the_index_is_right(desk)


async def test_who_has_just_closed_a_chat_is_left_to_whoever_pairs_them(database: Database, redis: Redis) -> None:
    desk = await open_desk(database, redis, TEAMS[:1], [Member(1, (), (0,))], 0)
    await they_wait(desk, 0, 1)
    (ana,) = desk.agents
    await desk.sql("UPDATE agent SET freed_at = now() + interval '5 seconds' WHERE id = :id", id=ana)
    await desk.queue.pair_stranded()
    await desk.settle()
    assert await desk.sql("SELECT 1 FROM conversation WHERE state = 'waiting'")
    await desk.sql("UPDATE agent SET freed_at = now() - interval '2 seconds' WHERE id = :id", id=ana)
    await desk.queue.pair_stranded()
    await desk.settle()
    assert not await desk.sql("SELECT 1 FROM conversation WHERE state = 'waiting'")


async def test_who_has_gone_is_found_in_any_stretch_of_the_line(
    database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "STRETCH", 4)
    desk = await open_desk(database, redis, TEAMS, [], 0)
    # The last stretch is a whole one: nobody is left for the next.
    await they_wait(desk, 0, 9)
    await they_wait(desk, 2, 7)
    gone = await desk.sql("SELECT visitor_id FROM conversation WHERE state = 'waiting' ORDER BY random() LIMIT 6")
    gone = {row.visitor_id for row in gone}
    await desk.sql("INSERT INTO gateway (id) VALUES (:id)", id=(gateway := uuid4()))
    await desk.sql(
        "INSERT INTO presence (subject, gateway_id, kind) SELECT visitor_id, :g, 'visitor' FROM conversation "
        "WHERE state = 'waiting' AND NOT visitor_id = ANY (:gone)",
        g=gateway, gone=list(gone),
    )  # fmt: skip
    found = [each async for stretch in offers.unserved_and_away(desk.work, 0) for each in stretch]
    assert sorted(found) == sorted(gone)


async def test_one_process_has_its_turn_for_all_and_then_another(settings: Settings, any_redis_url: str) -> None:
    first, second = connect(any_redis_url), connect(any_redis_url)
    keys = Keys(settings.redis_prefix)
    assert await Turns(first, keys).mine("sweep", 60)
    assert not await Turns(second, keys).mine("sweep", 60)
    assert await Turns(second, keys).mine("another", 0.01)
    async with asyncio.timeout(10):
        while not await Turns(first, keys).mine("another", 0.01):
            await asyncio.sleep(0.005)
    await first.aclose()
    await second.aclose()


async def test_while_redis_is_away_it_is_everybodys_turn(settings: Settings) -> None:
    nowhere = connect("redis://127.0.0.1:9/0")
    turns = Turns(nowhere, Keys(settings.redis_prefix))
    assert [await turns.mine("sweep", 60), await turns.mine("sweep", 60)] == [True, True]
    await nowhere.aclose()
