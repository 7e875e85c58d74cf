"""The queue's index and Postgres, when two things happen at once: whoever waits stands in line."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text

from app import clock
from app.chat.models import Conversation
from app.clock import to_ms
from app.contacts.models import Visitor
from app.errors import Unavailable
from app.events import Event
from app.ids import TeamId, uuid7
from app.infra.database import Database
from app.infra.keys import Keys
from app.infra.redis import Redis, ResponseError, connect, members
from app.infra.work import WorkUnits
from app.routing.assignment import Waiting
from app.routing.queue import REBUILD_LOCK, Queue
from app.settings import Settings
from tests.people import a_site, a_team


async def nobody_reacts(facts: Sequence[Event]) -> None:
    del facts


@dataclass
class Line:
    """One team's line with one conversation in it, as Postgres has it."""

    queue: Queue
    work: WorkUnits
    redis: Redis
    keys: Keys
    team: TeamId
    waiting: UUID

    async def stands(self) -> bool:
        """Whether the conversation stands in the index."""
        return str(self.waiting) in await members(self.redis, self.keys.queue(str(self.team)))


@pytest.fixture
async def line(settings: Settings, database: Database, any_redis_url: str) -> AsyncIterator[Line]:
    work, keys = WorkUnits(database, nobody_reacts), Keys(settings.redis_prefix)
    redis = connect(any_redis_url)
    queue = Queue(redis, keys, work)
    async with work.begin() as unit:
        team = await a_team(unit)
        site = await a_site(unit, team)
        visitor = Visitor(id=uuid7(), site_id=site.id)
        unit.session.add(visitor)
        await unit.session.flush()
        waiting = Conversation(
            id=uuid7(), site_id=site.id, team_id=team.id, visitor_id=visitor.id, state="waiting",
            score=to_ms(clock.now()),
        )  # fmt: skip
        unit.session.add(waiting)
        await unit.session.flush()
        team_id, conversation_id = TeamId(team.id), waiting.id
    await queue.rebuild()
    yield Line(queue, work, redis, keys, team_id, conversation_id)
    await redis.aclose()


async def test_whoever_comes_back_while_being_taken_out_stays_in_line(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = line.queue._waiting
    answers: list[list[Waiting]] = [[]]

    async def late(conversation_ids: Sequence[UUID]) -> list[Waiting]:
        """The first question is answered just before the conversation comes back."""
        return answers.pop() if answers else await truth(conversation_ids)

    monkeypatch.setattr(line.queue, "_waiting", late)
    assert await line.stands()
    await line.queue.remove(str(line.team), line.waiting)
    assert not answers
    assert await line.stands()


async def test_whoever_waits_no_more_is_taken_out(line: Line) -> None:
    async with line.work.begin() as unit:
        conversation = await unit.session.get_one(Conversation, line.waiting)
        conversation.state = "closed"
    await line.queue.remove(str(line.team), line.waiting)
    assert not await line.stands()


async def test_what_was_proposed_and_not_settled_is_put_back_soon(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    await line.redis.zrem(line.keys.queue(str(line.team)), str(line.waiting))
    await line.queue.settle_doubts()
    assert not await line.stands(), "there was no doubt"

    async def fails(*_: object) -> list[object]:
        raise OSError("Redis went away")

    with monkeypatch.context() as broken:
        broken.setattr(line.queue, "_propose_arrival", fails)
        await line.queue.bring([line.waiting])
    await line.queue.settle_doubts()
    assert await line.stands()


async def test_a_rebuild_has_time_even_where_nothing_else_has(line: Line, database: Database) -> None:
    hurried = WorkUnits(database, nobody_reacts, patience_s=0.000_001)
    with pytest.raises(Unavailable):
        async with hurried.begin():
            pass
    await line.redis.delete(line.keys.epoch(), line.keys.queue(str(line.team)))
    queue = Queue(line.redis, line.keys, hurried)
    await queue.rebuild()
    assert await line.stands()


async def test_who_leaves_while_the_index_is_built_does_not_stand_in_it(line: Line) -> None:
    lane = line.keys.queue(str(line.team))
    await line.redis.delete(line.keys.epoch(), lane)
    async with line.work.begin() as builder:
        # Somebody is at it, and has read Postgres already.
        await builder.session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": REBUILD_LOCK})
        async with line.work.begin() as unit:
            (await unit.session.get_one(Conversation, line.waiting)).state = "closed"
        removal = asyncio.create_task(line.queue.remove(str(line.team), line.waiting))
        waits = text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        async with asyncio.timeout(10):
            while not await builder.session.scalar(waits):
                await asyncio.sleep(0.01)
        await line.redis.zadd(lane, {str(line.waiting): 1})
        await line.redis.set(line.keys.epoch(), "built")
    await removal
    assert not await line.stands()


async def test_an_index_that_redis_forgets_while_it_is_built_is_not_taken_for_whole(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = line.redis.pipeline(transaction=False)
    execute = pipeline.execute

    async def forgotten() -> list[object]:
        done: list[object] = await execute()
        await line.redis.delete(line.keys.building(), line.keys.queue(str(line.team)))
        return done

    await line.redis.delete(line.keys.epoch())
    with monkeypatch.context() as forgetful:
        forgetful.setattr(pipeline, "execute", forgotten)
        forgetful.setattr(line.redis, "pipeline", lambda **_: pipeline)  # pyright: ignore[reportUnknownLambdaType]
        with pytest.raises(ResponseError):
            await line.queue.rebuild()
    assert not await line.redis.exists(line.keys.epoch())
    await line.queue.rebuild()
    assert await line.stands()
