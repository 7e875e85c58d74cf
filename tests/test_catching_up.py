"""Reading what many have missed: everybody gets their own page, whatever was asked together."""

import asyncio
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from app.chat.catching_up import MOST_AT_ONCE, PAGE, CatchingUp
from app.ids import uuid7
from app.infra.database import Database
from app.infra.work import WorkUnits
from tests.real_servers import sibling


async def nobody_reacts(_: object) -> None:
    """Nothing follows from what happens here."""


async def lanes(database: Database, lengths: list[int]) -> list[UUID]:
    """Make lanes of public messages, so and so many in each; return their conversations."""
    conversations = [uuid7() for _ in lengths]
    async with database.sessions() as session:
        for conversation, length in zip(conversations, lengths, strict=True):
            await session.execute(
                text(
                    "INSERT INTO message "
                    "(conversation_id, lane, seq, m, kind, sender_kind, sender_id, episode, at, body) "
                    "SELECT :c, 0, s, gen_random_uuid(), 'message', 'visitor', :v, 1, now(), "
                    "jsonb_build_object('text', s::text) FROM generate_series(1, :length) s"
                ),
                {"c": conversation, "v": uuid7(), "length": length},
            )
        await session.commit()
    return conversations


async def test_each_reader_gets_what_follows_their_own_place(database: Database) -> None:
    count = MOST_AT_ONCE * 2 + 10
    conversations = await lanes(database, [number % 4 for number in range(count)])
    reader = CatchingUp(WorkUnits(database, nobody_reacts))

    pages = await asyncio.gather(*(reader.page_after(conversation, 0, 1) for conversation in conversations))

    for number, (conversation, page) in enumerate(zip(conversations, pages, strict=True)):
        assert [s for s, _ in page.events] == list(range(2, number % 4 + 1))
        for s, frame in page.events:
            event = msgspec.json.decode(frame)
            assert (event["c"], event["s"], event["data"]) == (str(conversation), s, {"text": str(s)})


async def test_a_long_lane_comes_in_pages_and_does_not_starve_the_others(database: Database) -> None:
    long, short, empty = await lanes(database, [PAGE * 2 + 1, 1, 0])
    reader = CatchingUp(WorkUnits(database, nobody_reacts))

    first, again, other, none = await asyncio.gather(
        reader.page_after(long, 0, 0),
        reader.page_after(long, 0, 0),
        reader.page_after(short, 0, 0),
        reader.page_after(empty, 0, 0),
    )

    assert first is again, "who asks for the same shares the answer"
    assert ([s for s, _ in first.events], first.more) == (list(range(1, PAGE + 1)), True)
    assert ([s for s, _ in other.events], other.more) == ([1], False)
    assert (none.events, none.more) == ([], False)
    last = await reader.page_after(long, 0, PAGE * 2)
    assert ([s for s, _ in last.events], last.more) == ([PAGE * 2 + 1], False)


async def test_everybody_hears_that_postgres_is_away_and_may_ask_again(database_url: str) -> None:
    database = Database(sibling(database_url, "deskbell_test_that_is_not_there"))
    reader = CatchingUp(WorkUnits(database, nobody_reacts))
    try:
        for _ in range(2):
            answers = await asyncio.gather(
                *(reader.page_after(uuid7(), 0, 0) for _ in range(3)), return_exceptions=True
            )
            assert all(isinstance(answer, Exception) for answer in answers)
    finally:
        await database.close()


async def test_a_reader_who_leaves_takes_nothing_from_the_others(database: Database) -> None:
    (conversation,) = await lanes(database, [1])
    reader = CatchingUp(WorkUnits(database, nobody_reacts))
    leaving = asyncio.create_task(reader.page_after(conversation, 0, 0))
    staying = asyncio.create_task(reader.page_after(conversation, 0, 0))
    await asyncio.sleep(0)
    leaving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert len((await staying).events) == 1
