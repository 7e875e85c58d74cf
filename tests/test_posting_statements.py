"""The quick statements answer what the careful one answers, whatever comes, and are quick for what is fresh."""

import json
import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.chat.journal import Draft, Journal
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.ids import ConversationId, uuid7
from app.infra.database import Database
from tests.journeys.cast import open_shop

CAREFUL = """
SELECT status, seq, state, ord
FROM post_messages($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::uuid[], $8::text[],
                   $9::bigint[])
ORDER BY ord
"""
ROWS = text(
    "SELECT conversation_id, lane, seq, kind, sender_kind, sender_id, sender_name, m, episode, body::text FROM message "
    "ORDER BY conversation_id, lane, seq"
)
HEADS = text("SELECT id, public_seq, internal_seq FROM conversation")
CALLS = text(
    "SELECT funcname, calls FROM pg_stat_user_functions "
    "WHERE funcname IN ('post_message', 'post_batch', 'post_messages')"
)
# (state, gen, episode_gen)
STATES = [("active", 9, 7), ("active", 3, 3), ("waiting", 5, 5), ("closed", 8, 6), ("active", 2, 0)]


class Stage:
    """Two of each conversation, alike in all but their ids."""

    def __init__(self) -> None:
        self.twins: list[tuple[UUID, UUID]] = []
        self.visitors: list[tuple[UUID, UUID]] = []
        self.agents: list[UUID] = []


async def staged(database: Database) -> Stage:
    stage = Stage()
    shop = await open_shop(database)
    stage.agents = [UUID((await shop.hire(name)).id) for name in ("Ana", "Ben")]
    async with database.sessions() as session:
        for state, gen, episode_gen in STATES:
            visitors, ids = (uuid7(), uuid7()), (uuid7(), uuid7())
            for visitor_id, conversation_id in zip(visitors, ids, strict=True):
                session.add(Visitor(id=visitor_id, site_id=shop.site_id, name="Vera"))
                await session.flush()
                session.add(
                    Conversation(
                        id=conversation_id,
                        site_id=shop.site_id,
                        team_id=shop.team_id,
                        visitor_id=visitor_id,
                        state=state,
                        gen=gen,
                        agent_id=stage.agents[0] if state == "active" else None,
                        episode=2,
                        episode_gen=episode_gen,
                        queued_at=datetime.now(UTC),
                    )
                )
            stage.visitors.append(visitors)
            stage.twins.append(ids)
        await session.commit()
    # Unknown to the database.
    stage.twins.append((uuid7(), uuid7()))
    stage.visitors.append((uuid7(), uuid7()))
    return stage


def drafts(stage: Stage, seed: random.Random, said: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return a batch: (place, lane, by agent, sender's place, m, words, gen). Some repeat what was said before."""
    batch: list[tuple[Any, ...]] = []
    for _ in range(seed.choice([1, 1, 2, 5, 20])):
        if said and seed.random() < 0.15:
            *earlier, gen = seed.choice([*said, *batch])
            again = list(earlier)
            if seed.random() < 0.3:
                again[5] = "other words"
            if seed.random() < 0.2:
                again[1] = 1 - again[1]
            batch.append((*again, gen))
            continue
        # Mostly what is allowed, so that whole batches are.
        place = seed.choice([0, 1, 4]) if seed.random() < 0.95 else seed.randrange(len(stage.twins))
        by_agent = seed.random() < 0.5
        sender = seed.randrange(2) if by_agent and seed.random() < 0.05 else 0
        lane = int(by_agent and seed.random() < 0.3)
        gen = seed.choice([None, 9]) if seed.random() < 0.95 else seed.randrange(10)
        batch.append((place, lane, by_agent, sender, uuid7(), f"words {seed.random()}", gen))
    return batch


def columns(stage: Stage, batch: list[tuple[Any, ...]], twin: int) -> list[list[Any]]:
    """Return the statement's arrays for one of the twins."""
    return [
        [stage.twins[place][twin] for place, *_ in batch],
        [lane for _, lane, *_ in batch],
        ["note" if lane else "message" for _, lane, *_ in batch],
        ["agent" if by_agent else "visitor" for _, _, by_agent, *_ in batch],
        [stage.agents[sender] if by_agent else stage.visitors[place][twin] for place, _, by_agent, sender, *_ in batch],
        ["Ana" if by_agent else None for _, _, by_agent, *_ in batch],
        [m for *_, m, _, _ in batch],
        [json.dumps({"text": words}) for *_, words, _ in batch],
        [gen for *_, gen in batch],
    ]


async def test_the_quick_statements_answer_and_store_what_the_careful_one_does(database: Database) -> None:
    stage, seed = await staged(database), random.Random(9)
    said: list[tuple[Any, ...]] = []
    connection = await database.raw()
    journal = Journal(database.raw, lambda _, __: None)
    try:
        for _ in range(300):
            batch = drafts(stage, seed, said)
            careful = await connection.fetch(CAREFUL, *columns(stage, batch, 0))
            quick = await journal._write([draft_of(each) for each in zip(*columns(stage, batch, 1), strict=True)])  # pyright: ignore[reportPrivateUsage]
            assert [tuple(row)[:3] for row in careful] == [(row["status"], row["seq"], row["state"]) for row in quick]
            assert all((row["at"] is not None) == (row["status"] in ("ok", "dup")) for row in quick)
            said += [one for one, row in zip(batch, quick, strict=True) if row["status"] == "ok"]
    finally:
        await connection.close()
        await journal.stop()
    async with database.sessions() as session:
        rows, heads = (await session.execute(ROWS)).all(), (await session.execute(HEADS)).all()
    assert stored_of(stage, rows, heads, 0) == stored_of(stage, rows, heads, 1)
    assert len(rows) > 1000


def draft_of(values: tuple[Any, ...]) -> Draft:
    conversation, lane, kind, by, sender, name, m, body, gen = values
    return Draft(ConversationId(conversation), lane, kind, by, sender, name, m, body, lambda _: None, gen)


def stored_of(stage: Stage, rows: Any, heads: Any, twin: int) -> tuple[list[Any], list[Any]]:
    """Return the messages and heads of one of the twins, with places for ids."""
    places = {ids[twin]: place for place, ids in enumerate(stage.twins)}
    people = {ids[twin]: place for place, ids in enumerate(stage.visitors)}
    messages = [(places[row[0]], *row[1:5], people.get(row[5], row[5]), *row[6:]) for row in rows if row[0] in places]
    return sorted(messages), sorted((places[row[0]], *row[1:]) for row in heads if row[0] in places)


async def test_what_is_fresh_takes_the_quick_way_alone(database: Database) -> None:
    stage, seed = await staged(database), random.Random(4)
    connections = []

    async def connect() -> Any:
        connections.append(await database.raw())
        await connections[-1].execute("SET track_functions = 'all'")
        return connections[-1]

    async def calls() -> dict[str, int]:
        await connections[0].execute("SELECT pg_stat_force_next_flush()")
        async with database.sessions() as session:
            rows = await session.execute(CALLS)
            return {row.funcname: row.calls for row in rows}

    def fresh(count: int) -> list[Draft]:
        batch = [(seed.choice([0, 1, 4]), 0, n % 2 == 1, 0, uuid7(), f"words {n}", 9) for n in range(count)]
        return [draft_of(values) for values in zip(*columns(stage, batch, 0), strict=True)]

    journal = Journal(connect, lambda _, __: None)
    try:
        for count in (1, 2, 40, 1):
            batch = fresh(count)
            assert {row["status"] for row in await journal._write(batch)} == {"ok"}  # pyright: ignore[reportPrivateUsage]
        assert await calls() == {"post_message": 2, "post_batch": 2}
        assert [row["status"] for row in await journal._write([*batch, *fresh(2)])] == ["dup", "ok", "ok"]  # pyright: ignore[reportPrivateUsage]
        assert await calls() == {"post_message": 2, "post_batch": 3, "post_messages": 1}
    finally:
        await journal.stop()
