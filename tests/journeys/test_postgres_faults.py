"""Postgres in trouble: sockets stay open, nothing is acknowledged that is not committed, and afterwards all is well."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from app.infra.database import asyncpg_url
from tests.journeys.house import House
from tests.journeys.server_process import is_ready
from tests.journeys.stage import Stage
from tests.journeys.talkers import Talker, all_is_well, everybody_spoke, pair, talking
from tests.journeys.wire_client import Frame, WireClient, new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")
Pairs = list[tuple[Talker, Talker]]


@pytest_asyncio.fixture(loop_scope="session")
async def stage(house: House) -> Stage:
    return house.stage


async def three_pairs(stage: Stage) -> Pairs:
    shop = await stage.shop()
    return [await pair(stage, shop, number) for number in range(3)]


async def heard(pairs: Pairs, code: str) -> None:
    """Wait until everybody was told so."""
    async with asyncio.timeout(30):
        while not all(code in talker.refusals for both in pairs for talker in both):
            await asyncio.sleep(0.05)


def sockets_stayed(pairs: Pairs) -> bool:
    return not any(talker.returns for both in pairs for talker in both)


@asynccontextmanager
async def operator(stage: Stage) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that has nothing to do with Deskbell."""
    connection = await asyncpg.connect(asyncpg_url(stage.settings.database_url))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_a_restart_loses_nothing(house: House, stage: Stage, how: signal.Signals) -> None:
    pairs = await three_pairs(stage)
    async with talking(pairs):
        await everybody_spoke(pairs)
        async with house.without("postgres", how):
            await asyncio.sleep(0.5)
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert sockets_stayed(pairs)


async def test_killed_connections_lose_nothing(stage: Stage) -> None:
    pairs = await three_pairs(stage)
    async with operator(stage) as admin, talking(pairs, pause_s=0):
        for _ in range(3):
            await everybody_spoke(pairs)
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert sockets_stayed(pairs)


async def test_a_locked_conversation_holds_up_only_its_own_people(stage: Stage) -> None:
    pairs = await three_pairs(stage)
    held, others = pairs[:1], pairs[1:]
    async with operator(stage) as admin, talking(pairs):
        await everybody_spoke(pairs)
        tab = await stage.resumed(held[0][0].client)
        async with admin.transaction():
            await admin.execute("SELECT FROM conversation WHERE id = $1 FOR UPDATE", UUID(held[0][0].c))
            # Another command that needs the row is answered as well.
            end = tab.post({"t": "end", "c": held[0][0].c})
            before = [len(talker.said) for talker in held[0]]
            await everybody_spoke(others, more=20)
            await heard(held, "unavailable")
            await everybody_spoke(others, more=5)
            answer = await asyncio.wait_for(end, 20)
            assert (answer["code"], answer["retry"]) == ("unavailable", True)
            assert all(len(talker.said) <= count + 1 for talker, count in zip(held[0], before, strict=True))
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert sockets_stayed(pairs)
    assert not any("unavailable" in talker.refusals for both in others for talker in both)


async def test_a_postgres_that_hangs_is_told_and_waited_for(house: House, stage: Stage) -> None:
    pairs = await three_pairs(stage)
    shop = await stage.shop()
    vera = await stage.visitor(shop)
    async with talking(pairs):
        await everybody_spoke(pairs)
        with house.asleep("postgres"):
            start = vera.post({"t": "start"})
            ready = asyncio.create_task(is_ready(stage.one.settings.port))
            await heard(pairs, "unavailable")
            # What was committed just before is known by now.
            said = [len(talker.said) for both in pairs for talker in both]
            assert (await asyncio.wait_for(start, 25))["code"] == "unavailable"
            assert said == [len(talker.said) for both in pairs for talker in both], "nothing can be committed"
            assert not await ready
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert sockets_stayed(pairs)
    assert vera.close_code is None


async def test_without_a_free_connection_nothing_is_lost(stage: Stage) -> None:
    pairs = await three_pairs(stage)
    crowd: list[asyncpg.Connection[asyncpg.Record]] = []
    async with operator(stage) as admin, talking(pairs):
        await everybody_spoke(pairs)
        # While the server processes cannot look, all that they had goes to others.
        for process in (stage.one, stage.two):
            process.send(signal.SIGSTOP)
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            with suppress(asyncpg.TooManyConnectionsError):
                while True:
                    crowd.append(await asyncpg.connect(asyncpg_url(stage.settings.database_url)))
        finally:
            for process in (stage.one, stage.two):
                process.send(signal.SIGCONT)
        await heard(pairs, "unavailable")
        assert not await is_ready(stage.one.settings.port)
        for connection in crowd:
            connection.terminate()
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert sockets_stayed(pairs)
    assert await is_ready(stage.one.settings.port)


async def test_a_full_disk_loses_nothing(house: House, stage: Stage) -> None:
    if house.disk is None:
        pytest.skip("only root may mount a small disk for Postgres to fill")
    pairs = [await pair(stage, await stage.shop(), 0)]
    watching = asyncio.create_task(house.embedded.watch())
    async with talking(pairs, pause_s=0):
        await everybody_spoke(pairs)
        ballast = house.disk / "ballast"
        fill_up(ballast)
        # What still fits into the last pages is acknowledged; then nothing is.
        await heard(pairs, "unavailable")
        ballast.unlink()
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert sockets_stayed(pairs)
    watching.cancel()


def fill_up(file: Path) -> None:
    """Write until the disk is full."""
    piece = bytes(65_536)
    with suppress(OSError), file.open("wb", buffering=0) as ballast:
        while ballast.write(piece) == len(piece):
            pass


# The commit is done, its answer is lost


@asynccontextmanager
async def lost_commit(stage: Stage, table: str, row: str) -> AsyncIterator[None]:
    """What commits in this block commits for good, but nobody is told: their connection breaks instead.

    A standby that does not exist holds every commit back after it was written; whoever is cut off then has
    committed all the same. The block ends when the transaction that has locked this row is at that point; who holds
    something that others wait for is cut off before, as those would give up waiting.
    """
    async with operator(stage) as admin, operator(stage) as first:
        await admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.execute("SET synchronous_commit = local")
        held = asyncio.create_task(commit_until_held(first))
        try:
            async with asyncio.timeout(20):
                while not await admin.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')"
                ):
                    await asyncio.sleep(0.02)
            yield
            at_the_end = f"""
                SELECT NOT EXISTS (SELECT FROM {table} WHERE id = $1 FOR UPDATE SKIP LOCKED) AND NOT EXISTS (
                    SELECT FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
                    AND wait_event IS DISTINCT FROM 'SyncRep')
                OR EXISTS (
                    SELECT FROM pg_stat_activity JOIN {table} locked ON locked.xmax = backend_xid
                    WHERE locked.id = $1 AND wait_event = 'SyncRep')
            """
            in_the_way = f"""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
                AND pid IN (SELECT unnest(pg_blocking_pids(waits.pid)) FROM pg_stat_activity waits)
                AND NOT EXISTS (SELECT FROM {table} locked WHERE locked.id = $1 AND locked.xmax = backend_xid)
            """
            async with asyncio.timeout(20):
                while not await admin.fetchval(at_the_end, UUID(row)):
                    await admin.execute(in_the_way, UUID(row))
                    await asyncio.sleep(0.02)
        finally:
            await admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            await admin.execute("SELECT pg_reload_conf()")
            await asyncio.gather(held, return_exceptions=True)


async def commit_until_held(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Settings are taken over a moment later: commit until it is so."""
    while True:
        await connection.execute("SELECT pg_logical_emit_message(true, 'test', 'a commit')")


async def unanswered(stage: Stage, client: WireClient, command: Frame, table: str, row: str) -> None:
    """Give a command whose transaction commits, but whose server is never told."""
    async with lost_commit(stage, table, row):
        answer = client.post(command)
    told = await asyncio.wait_for(answer, 20)
    assert (told["t"], told.get("code"), told.get("retry")) == ("err", "unavailable", True), told


async def test_a_command_whose_commit_was_not_confirmed_can_be_given_again(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=2))
    vera = await stage.visitor(shop)
    await ana.command({"t": "status", "accept": False})
    await stage.until_sql("SELECT NOT accepting FROM agent WHERE id = :a", a=UUID(ana.snapshot["me"]["id"]))
    ben = await stage.agent(await shop.hire("Ben", capacity=0))
    assert ben.snapshot["teams"] == ana.snapshot["teams"], "somebody is there, without room"

    await unanswered(stage, vera, {"t": "start", "name": "Vera"}, "visitor", vera.snapshot["visitor"]["id"])
    begun = await vera.command({"t": "start", "name": "Vera"})
    assert (begun["dup"], begun["conversation"]["state"]) == (True, "waiting")
    c = begun["c"]

    claim = {"t": "claim", "c": c, "gen": begun["gen"]}
    await unanswered(stage, ana, claim, "conversation", c)
    taken = await ana.command(claim)
    assert taken["gen"] == begun["gen"] + 1, "it is theirs: nobody was faster"
    assert (await stage.sql("SELECT load FROM agent WHERE id = :a", a=UUID(ana.snapshot["me"]["id"])))[0].load == 1

    close = {"t": "close", "c": c, "gen": taken["gen"]}
    await unanswered(stage, ana, close, "conversation", c)
    assert (await ana.refused(close))["code"] == "conversation_closed", "as it was meant to be"

    rate = {"t": "rate", "c": c, "score": 4, "comment": "good"}
    await unanswered(stage, vera, rate, "conversation", c)
    await vera.command(rate)
    assert [row.score for row in await stage.sql("SELECT score FROM rating WHERE conversation_id = :c", c=UUID(c))] == [
        4
    ]
    # What nobody was told of is found by looking.
    await vera.event("closed", within_s=15)
    kinds = [event["kind"] for event in vera.events[c, "public"]]
    assert kinds == ["queued", "joined", "closed"], "nothing happened twice"
    assert [event["kind"] for event in await ana.sync_all(c, "internal")] == ["rated"]
    (agent,) = await stage.sql("SELECT load FROM agent WHERE id = :a", a=UUID(ana.snapshot["me"]["id"]))
    assert agent.load == 0


async def test_a_message_whose_commit_was_not_confirmed_is_acknowledged_once(stage: Stage) -> None:
    vera, ana = await pair(stage, await stage.shop(), 0)
    words = f"{vera.name} asks: did you get this?"
    message = {"t": "send", "c": vera.c, "m": new_id(), "body": {"text": words}}
    async with lost_commit(stage, "conversation", vera.c):
        answer = vera.client.post(message)
    told = await asyncio.wait_for(answer, 20)
    assert (told["t"], told["dup"]) == ("ok", True), "the journal asked again, and knows"
    await ana.client.until(lambda f: f.get("data") == {"text": words})
    vera.said.append((told["s"], words))
    await all_is_well(stage, [(vera, ana)])
