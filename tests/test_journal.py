"""The journal under six writers at once: dense lanes, each key once, the first number for every repetition."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from sqlalchemy import text

from app.chat.journal import MAX_BATCH, Draft, Journal, Outcome
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.ids import AgentId, ConversationId, uuid7
from app.infra.database import Database
from tests.journeys.cast import open_shop

WRITERS = 6
CUT_JOURNALS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%FROM post_%'"
)
PUBLIC, INTERNAL = 0, 1


@dataclass(frozen=True)
class Chat:
    """A conversation between Vera and Ana."""

    id: ConversationId
    visitor_id: UUID
    agent_id: AgentId


@dataclass
class Writer:
    """One server's journal, with its own connection, and what it published."""

    journal: Journal
    published: list[tuple[Draft, Outcome]] = field(default_factory=list)
    connections: list[asyncpg.Connection[asyncpg.Record]] = field(default_factory=list)

    def post(self, draft: Draft) -> asyncio.Future[Outcome]:
        """Post a draft; the future is its outcome."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        draft.done = future.set_result
        self.journal.post(draft)
        return future


@asynccontextmanager
async def writer(database: Database) -> AsyncIterator[Writer]:
    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        found.connections.append(await database.raw())
        return found.connections[-1]

    found = Writer(Journal(connect, lambda draft, outcome: found.published.append((draft, outcome))))
    found.journal.start()
    try:
        yield found
    finally:
        await found.journal.stop()


async def chats(database: Database, states: list[str]) -> list[Chat]:
    """Make conversations in the given states; those that are active are Ana's."""
    shop = await open_shop(database)
    ana = await shop.hire("Ana")
    made = []
    async with database.sessions() as session:
        for state in states:
            visitor = Visitor(id=uuid7(), site_id=shop.site_id, name="Vera")
            session.add(visitor)
            await session.flush()
            conversation = Conversation(
                id=uuid7(),
                site_id=shop.site_id,
                team_id=shop.team_id,
                visitor_id=visitor.id,
                state=state,
                agent_id=UUID(ana.id) if state == "active" else None,
                episode=1,
                queued_at=datetime.now(UTC),
            )
            session.add(conversation)
            made.append(Chat(ConversationId(conversation.id), visitor.id, AgentId(UUID(ana.id))))
        await session.commit()
    return made


def draft(
    chat: Chat, words: str, *, m: UUID | None = None, lane: int = PUBLIC, by: str = "visitor", gen: int | None = None
) -> Draft:
    return Draft(
        conversation_id=chat.id,
        lane=lane,
        kind="note" if lane == INTERNAL else "message",
        sender_kind="agent" if by == "agent" else "visitor",
        sender_id=chat.agent_id if by == "agent" else chat.visitor_id,
        sender_name="Ana" if by == "agent" else "Vera",
        m=m or uuid7(),
        body=json.dumps({"text": words}),
        done=lambda _: None,
        gen=gen,
    )


async def stored(database: Database) -> dict[tuple[UUID, int], list[tuple[int, UUID, str]]]:
    """Return what lies in each lane: (number, key, words), ascending."""
    lanes: dict[tuple[UUID, int], list[tuple[int, UUID, str]]] = defaultdict(list)
    async with database.sessions() as session:
        rows = await session.execute(
            text("SELECT conversation_id, lane, seq, m, body->>'text' FROM message ORDER BY conversation_id, lane, seq")
        )
        for conversation_id, lane, seq, m, words in rows:
            lanes[conversation_id, lane].append((seq, m, words))
        heads = await session.execute(text("SELECT id, public_seq, internal_seq FROM conversation"))
        for conversation_id, *places in heads:
            for lane, head in enumerate(places):
                numbers = [seq for seq, _, _ in lanes[conversation_id, lane]]
                assert numbers == list(range(1, head + 1)), "a lane has no hole, and its head is its end"
    return lanes


async def test_six_writers_with_many_repetitions_write_each_message_once(database: Database) -> None:
    seed = random.Random(20)
    talks = await chats(database, ["waiting", "active", "active", "active"])
    closed = (await chats(database, ["closed"]))[0]
    kinds = [(PUBLIC, "visitor"), (PUBLIC, "agent"), (INTERNAL, "agent")]
    originals = []
    for number in range(600):
        chat = seed.choice(talks)
        lane, by = seed.choice(kinds if chat is not talks[0] else [(PUBLIC, "visitor"), (INTERNAL, "agent")])
        originals.append((chat, lane, by, uuid7(), f"words {number}"))
    posts = [(*one, False) for one in originals for _ in range(seed.randint(1, 6))]
    posts += [(closed, PUBLIC, "visitor", uuid7(), "too late", False) for _ in range(40)]
    seed.shuffle(posts)
    # Some keys come again with other words, after their own.
    posts += [(*one[:4], "other words", True) for one in seed.sample(originals, 60)]

    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(writer(database)) for _ in range(WRITERS)]
        outcomes: list[asyncio.Future[Outcome]] = []
        for place, (chat, lane, by, m, words, _) in enumerate(posts):
            if place == len(posts) - 60:
                await asyncio.gather(*outcomes)
            outcomes.append(seed.choice(writers).post(draft(chat, words, m=m, lane=lane, by=by)))
            if place % 50 == 0:
                await asyncio.sleep(0)
        settled = await asyncio.gather(*outcomes)

    lanes = await stored(database)
    rows = {
        (conversation, m): (lane, seq, words)
        for (conversation, lane), found in lanes.items()
        for seq, m, words in found
    }
    assert len(rows) == sum(len(found) for found in lanes.values()) == 600
    statuses: dict[UUID, list[str]] = defaultdict(list)
    for (chat, lane, _, m, words, other), outcome in zip(posts, settled, strict=True):
        if chat is closed:
            assert outcome.status == "closed"
        elif other:
            assert outcome.status == "conflict"
        else:
            statuses[m].append(outcome.status)
            assert rows[chat.id, m] == (lane, outcome.seq, words), "every repetition is answered with the first number"
            assert outcome.at > 0
    assert all(sorted(answers) == ["dup"] * (len(answers) - 1) + ["ok"] for answers in statuses.values())
    assert lanes[closed.id, PUBLIC] == []


async def test_one_senders_order_is_the_lanes_order_whoever_else_writes(database: Database) -> None:
    talks = await chats(database, ["active"])
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(writer(database)) for _ in range(WRITERS)]
        said: dict[int, list[asyncio.Future[Outcome]]] = defaultdict(list)
        for turn in range(120):
            for number, each in enumerate(writers):
                by = "visitor" if number % 2 else "agent"
                said[number].append(each.post(draft(talks[0], f"{number} says {turn}", by=by)))
            if turn % 10 == 0:
                await asyncio.sleep(0.001)
        for futures in said.values():
            numbers = [outcome.seq for outcome in await asyncio.gather(*futures)]
            assert numbers == sorted(numbers)
    words = [words for _, _, words in (await stored(database))[talks[0].id, PUBLIC]]
    for number in range(WRITERS):
        own = [word for word in words if word.startswith(f"{number} ")]
        assert own == [f"{number} says {turn}" for turn in range(120)]


async def test_each_message_is_published_in_order_before_its_sender_hears_of_it(database: Database) -> None:
    chat = (await chats(database, ["active"]))[0]
    async with writer(database) as one:
        known = draft(chat, "hello")
        assert (await one.post(known)).status == "ok"
        told: list[tuple[str, int]] = []
        posts = [draft(chat, "hello", m=known.m), *(draft(chat, f"words {n}") for n in range(20))]
        for each in posts:
            one.journal.post(each)
            each.done = lambda outcome: told.append((outcome.status, len(one.published)))
        await one.journal.drained()
    assert [outcome.seq for _, outcome in one.published] == [1, 1, *range(2, 22)], "a repetition is published again"
    assert [status for status, _ in told] == ["dup", *["ok"] * 20]
    assert all(published > place + 1 for place, (_, published) in enumerate(told))


async def test_a_thousand_drafts_of_one_conversation_hold_up_nobody_else(database: Database) -> None:
    flooded, quiet = await chats(database, ["active", "active"])
    async with writer(database) as one:
        flood = [one.post(draft(flooded, f"words {n}")) for n in range(1000)]
        alone = one.post(draft(quiet, "hello"))
        assert {(await future).status for future in [*flood, alone]} == {"ok"}
    places = [each.conversation_id for each, _ in one.published]
    assert places.index(quiet.id) < MAX_BATCH, "it went with the first batch"
    assert [outcome.seq for each, outcome in one.published if each.conversation_id == flooded.id] == list(
        range(1, 1001)
    )


async def test_one_poisoned_draft_does_not_take_the_others_with_it(database: Database) -> None:
    talks = await chats(database, ["active", "active"])
    async with writer(database) as one:
        futures = [one.post(draft(talks[n % 2], f"words {n}")) for n in range(40)]
        poisoned = draft(talks[0], "poison")
        poisoned.body = '{"text": "\\u0000"}'
        bad = one.post(poisoned)
        futures += [one.post(draft(talks[n % 2], f"words {n}")) for n in range(40, 80)]
        outcomes = await asyncio.gather(*futures)
        assert (await bad).status == "internal"
        assert {outcome.status for outcome in outcomes} == {"ok"}
        assert (await one.post(draft(talks[0], "still here"))).status == "ok"
    lanes = await stored(database)
    assert sum(len(found) for found in lanes.values()) == 81
    assert "poison" not in {words for found in lanes.values() for _, _, words in found}
    for number, chat in enumerate(talks):
        own = [f"words {n}" for n in range(80) if n % 2 == number]
        assert [words for _, _, words in lanes[chat.id, PUBLIC]][: len(own)] == own, "and their order is kept"


async def test_a_lost_connection_in_the_middle_loses_and_doubles_nothing(database: Database) -> None:
    chat = (await chats(database, ["active"]))[0]
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(writer(database)) for _ in range(2)]
        futures: list[asyncio.Future[Outcome]] = []
        async with database.sessions() as session:
            for each in writers:
                assert (await each.post(draft(chat, "hello"))).status == "ok"
            for turn in range(60):
                futures += [each.post(draft(chat, f"{number} says {turn}")) for number, each in enumerate(writers)]
                await asyncio.sleep(0.002)
                if turn in (15, 30, 45):
                    # Those cut off before are back by now.
                    await asyncio.gather(*futures[:-4])
                    cut = (await session.execute(CUT_JOURNALS)).scalars().all()
                    await session.commit()
                    assert cut
        assert {(await future).status for future in futures} <= {"ok", "dup"}
        assert all(len(each.connections) > 1 for each in writers), "they really were cut off"
    words = [words for _, _, words in (await stored(database))[chat.id, PUBLIC]]
    assert sorted(words[2:]) == sorted(f"{number} says {turn}" for number in range(2) for turn in range(60))


async def test_who_may_write_where(database: Database) -> None:
    mine, waiting, closed = await chats(database, ["active", "waiting", "closed"])
    unknown = Chat(ConversationId(uuid7()), mine.visitor_id, mine.agent_id)
    otto = Chat(mine.id, closed.visitor_id, mine.agent_id)
    ben = Chat(mine.id, mine.visitor_id, AgentId(uuid7()))
    async with writer(database) as one:

        async def status(what: Draft) -> str:
            return (await one.post(what)).status

        assert await status(draft(mine, "Vera to Ana")) == "ok"
        assert await status(draft(mine, "Ana to Vera", by="agent")) == "ok"
        assert await status(draft(waiting, "Vera while she waits")) == "ok"
        assert await status(draft(waiting, "Ana before it is hers", by="agent")) == "not_yours"
        assert await status(draft(ben, "Ben in Ana's", by="agent")) == "not_yours"
        assert await status(draft(otto, "Otto in Vera's")) == "not_found"
        assert await status(draft(unknown, "into nothing")) == "not_found"
        assert await status(draft(closed, "after the end")) == "closed"
        assert await status(draft(closed, "after the end", by="agent")) == "closed"
        assert await status(draft(closed, "a remark after the end", by="agent", lane=INTERNAL)) == "ok"
    assert sum(len(found) for found in (await stored(database)).values()) == 4


async def test_a_key_that_was_a_message_cannot_come_back_as_a_note(database: Database) -> None:
    chat = (await chats(database, ["active"]))[0]
    m = uuid7()
    async with writer(database) as one:
        assert (await one.post(draft(chat, "words", m=m, by="agent"))).status == "ok"
        assert (await one.post(draft(chat, "words", m=m, by="agent", lane=INTERNAL))).status == "conflict"
        assert (await one.post(draft(chat, "words", m=m))).status == "ok", "another sender's keys are their own"
        both = draft(chat, "twice in one batch", by="agent"), draft(chat, "other words", by="agent")
        both[1].m = both[0].m
        assert [(await future).status for future in [one.post(each) for each in both]] == ["ok", "conflict"]


@asynccontextmanager
async def locked(database: Database, chat: Chat) -> AsyncIterator[None]:
    """Somebody else has the conversation locked: a report, a migration, an operator."""
    connection = await database.raw()
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM conversation WHERE id = $1 FOR UPDATE", chat.id)
            yield
    finally:
        await connection.close()


async def test_a_locked_conversation_holds_up_nobody_else_and_keeps_its_order(database: Database) -> None:
    held, free = await chats(database, ["active", "active"])
    async with writer(database) as one:
        async with locked(database, held):
            turns = range(20)
            waiting = [one.post(draft(held, f"held {n}", by=("visitor", "agent")[n % 2])) for n in turns]
            for n in turns:
                assert (await asyncio.wait_for(one.post(draft(free, f"free {n}")), 20)).status == "ok"
                waiting.append(one.post(draft(held, f"held {len(waiting)}")))
            assert not any(future.done() for future in waiting)
        assert [(await future).status for future in waiting] == ["ok"] * len(waiting)
    lanes = await stored(database)
    assert [words for _, _, words in lanes[held.id, PUBLIC]] == [f"held {n}" for n in range(len(waiting))]


async def test_a_conversation_that_stays_locked_is_told_as_unavailable(database: Database) -> None:
    held, free = await chats(database, ["active", "active"])
    async with writer(database) as one:
        async with locked(database, held):
            first = draft(held, "one")
            told = [await asyncio.wait_for(future, 20) for future in (one.post(first), one.post(draft(held, "two")))]
            assert [outcome.status for outcome in told] == ["unavailable"] * 2
            assert (await one.post(draft(free, "hello"))).status == "ok"
        first = draft(held, "one", m=first.m)
        assert (await one.post(first)).status == "ok"
    assert [words for _, _, words in (await stored(database))[held.id, PUBLIC]] == ["one"]


async def now_is(database: Database, chat: Chat, state: str, gen: int, episode_gen: int) -> None:
    """The conversation moved on."""
    async with database.sessions() as session:
        await session.execute(
            text(
                "UPDATE conversation SET state = :state, gen = :gen, episode_gen = :episode_gen, "
                "agent_id = CASE WHEN :state = 'active' THEN CAST(:ana AS uuid) END WHERE id = :id"
            ),
            {"state": state, "gen": gen, "episode_gen": episode_gen, "ana": chat.agent_id, "id": chat.id},
        )
        await session.commit()


@asynccontextmanager
async def cut_off_writer(database: Database) -> AsyncIterator[tuple[Writer, asyncio.Event]]:
    """A server that does not reach Postgres until the event is set."""
    reachable = asyncio.Event()

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        if not reachable.is_set():
            raise ConnectionRefusedError
        return await database.raw()

    found = Writer(Journal(connect, lambda draft, outcome: found.published.append((draft, outcome))))
    found.journal.start()
    try:
        yield found, reachable
    finally:
        await found.journal.stop()


async def test_what_was_refused_elsewhere_is_not_stored_when_the_chat_begins_anew(database: Database) -> None:
    chat = (await chats(database, ["active"]))[0]
    await now_is(database, chat, "active", gen=3, episode_gen=1)
    vera, ana = draft(chat, "one", gen=3), draft(chat, "two", by="agent", gen=3)
    async with cut_off_writer(database) as (one, reachable), writer(database) as two:
        delayed = [one.post(vera), one.post(ana)]
        # Both come again on another process, and hear that it is over.
        await now_is(database, chat, "closed", gen=4, episode_gen=1)
        again = draft(chat, "one", m=vera.m, gen=4), draft(chat, "two", m=ana.m, by="agent", gen=4)
        assert [(await two.post(each)).status for each in again] == ["closed", "closed"]
        await now_is(database, chat, "active", gen=5, episode_gen=5)
        reachable.set()
        assert [(outcome.status, outcome.seq) for outcome in await asyncio.gather(*delayed)] == [("stale", 5)] * 2
        assert one.published == []
        fresh = draft(chat, "three", gen=5), draft(chat, "four", by="agent", gen=5)
        assert [(await one.post(each)).status for each in fresh] == ["ok", "ok"]
    assert [words for _, _, words in (await stored(database))[chat.id, PUBLIC]] == ["three", "four"]


async def test_what_is_stored_stays_known_and_an_agents_turn_is_no_new_episode_for_a_visitor(
    database: Database,
) -> None:
    chat = (await chats(database, ["active"]))[0]
    await now_is(database, chat, "active", gen=3, episode_gen=1)
    async with writer(database) as one:
        vera, ana = draft(chat, "one", gen=3), draft(chat, "two", by="agent", gen=3)
        assert [(await one.post(each)).status for each in (vera, ana)] == ["ok", "ok"]
        # Ana loses it and gets it back.
        await now_is(database, chat, "active", gen=6, episode_gen=1)
        late = draft(chat, "three", by="agent", gen=3)
        assert (await one.post(late)).status == "stale"
        assert (await one.post(draft(chat, "three", m=late.m, by="agent", gen=6))).status == "ok"
        assert (await one.post(draft(chat, "four", gen=3))).status == "ok", "she need not know who answers"
        assert (await one.post(draft(chat, "a remark", by="agent", lane=INTERNAL, gen=3))).status == "ok"
        # Told before, asked again: the number that it has, whatever was known then.
        await now_is(database, chat, "active", gen=9, episode_gen=8)
        again = draft(chat, "one", m=vera.m, gen=3), draft(chat, "two", m=ana.m, by="agent", gen=3)
        answers = [await one.post(each) for each in again]
        assert [(answer.status, answer.seq) for answer in answers] == [("dup", 1), ("dup", 2)]
        # The server of the release before does not say what was known.
        assert (await one.post(draft(chat, "five"))).status == "ok"
    assert [words for _, _, words in (await stored(database))[chat.id, PUBLIC]] == [
        "one",
        "two",
        "three",
        "four",
        "five",
    ]


async def test_the_release_before_goes_on_writing(database: Database) -> None:
    chat = (await chats(database, ["active"]))[0]
    await now_is(database, chat, "active", gen=9, episode_gen=8)
    connection = await database.raw()
    try:
        row = await connection.fetchrow(
            "SELECT status, seq FROM post_messages($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::uuid[], "
            "$6::text[], $7::uuid[], $8::text[])",
            *([value] for value in (chat.id, PUBLIC, "message", "visitor", chat.visitor_id, "Vera", uuid7())),
            ['{"text": "hello"}'],
        )
    finally:
        await connection.close()
    assert row is not None
    assert tuple(row) == ("ok", 1)
