"""Four server processes, twenty agents, hundreds of visitors, and everybody at once: one owner at every commit."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.contacts.models import Visitor
from app.identity.tokens import issue_visitor_token
from app.ids import SiteId, VisitorId, uuid7
from app.infra.database import Database, asyncpg_url
from app.settings import Settings
from tests.conftest import FreshDatabase, StartServer
from tests.journeys.audited import breaches, watch_commits, what_was_seen
from tests.journeys.cast import Shop, open_shop
from tests.journeys.index_log import watched_index
from tests.journeys.lines_judged import judge_lines
from tests.journeys.racers import Race, Racer, insist
from tests.journeys.wire_client import WireClient

SEED = int(os.environ.get("SEED", "1"))
PROCESSES = 4
AGENTS = 20
CAPACITY = 3
ARRIVALS = 300
PACE = float(os.environ.get("PACE", "1"))
"""Above one everybody takes that many times as long, for a machine that does not keep up with all of them."""
ARRIVE_WITHIN_S = 10.0 * PACE
CLAIMS = 200
LEAVES = 0.03
PATIENCE_S = 900.0
"""A machine may be slow: what is judged is order."""


@pytest.mark.slow
async def test_whatever_they_do_at_once_there_is_one_owner_and_nobody_is_forgotten(
    fresh_database: FreshDatabase, server_process: StartServer, settings: Settings
) -> None:
    random = Random(SEED)
    url = await fresh_database(migrated=True)
    sql: Any = await asyncpg.connect(asyncpg_url(url))
    await watch_commits(sql)
    database = Database(url)
    servers = await asyncio.gather(
        *(
            server_process(
                database_url=url,
                database_pool_size=20,
                connections_per_address=5000,
                visitor_messages_per_minute=6000,
            )
            for _ in range(PROCESSES)
        )
    )
    doors = [server.url for server in servers]
    people: list[WireClient] = []
    try:
        shops = [await open_shop(database) for _ in range(2)]
        # One team is asked, the other's agents get what there is.
        await sql.execute("UPDATE team SET mode = 'offer' WHERE id = $1", shops[1].team_id)
        race = Race(CLAIMS, PACE)
        async with watched_index(settings.redis_url, settings.redis_prefix) as steps:
            racers = await agents(shops, doors, race, random, people)
            began = datetime.now(UTC)
            working = [asyncio.create_task(racer.work()) for racer in racers]
            async with asyncio.timeout(PATIENCE_S):
                visits = await visitors(database, settings, shops, doors, random, people)
                await asyncio.gather(*(arrive(*visit) for visit in visits))
                arrived = datetime.now(UTC)
                while await sql.fetchval("SELECT count(*) FROM conversation WHERE state <> 'closed'"):
                    for each in working:
                        if each.done():
                            each.result()
                    await asyncio.sleep(0.1)
            over = datetime.now(UTC)
            for each in working:
                each.cancel()
            await asyncio.gather(*working, return_exceptions=True)

        evidence = await what_was_seen(sql, race.fenced)
        assert breaches(evidence) == []
        teams = {row[0]: row[1] for row in await sql.fetch("SELECT agent_id, team_id FROM team_member")}
        line = judge_lines(evidence.audit, evidence.commits(), teams, steps)
        print(
            f"\nrace: seed {SEED}, pace {PACE:g}, {ARRIVALS} arrivals in {(arrived - began).total_seconds():.1f} s, "
            f"all over after {(over - began).total_seconds():.1f} s; {dict(sorted(race.done.items()))}; {line.offers} "
            f"offers passed those who were {dict(line.passed)}, then out of the index for {spread(line.out_s)}, one of "
            f"them passed {max(line.stays.values(), default=0)} times before being back; room for somebody "
            f"was taken after {spread(line.room_s)}"
        )
        assert race.claims == 0, "there was enough to claim"
        for command in ("claim", "transfer", "offer.decline", "offer.accept", "close"):
            assert race.done[command], f"nobody had {command!r}"
        assert line.offers >= ARRIVALS // 2, "the index was watched"
        assert line.against_rules == []
        left = await sql.fetchval("SELECT count(*) FROM episode WHERE assigned_at IS NULL AND outcome <> 'left'")
        assert left == 0, "everybody was served, but for those who left"
    finally:
        await asyncio.gather(*(client.close() for client in people))
        await database.close()
        await sql.close()


async def agents(
    shops: list[Shop], doors: list[str], race: Race, random: Random, people: list[WireClient]
) -> list[Racer]:
    """Half of them in each team, by turns on all processes."""
    racers: list[Racer] = []
    for number in range(AGENTS):
        shop = shops[number % 2]
        duty = await shop.hire(f"Agent {number}", capacity=CAPACITY)
        client = WireClient(doors[number // 2 % len(doors)])
        client.auto_accept = False
        people.append(client)
        await client.open()
        await client.hello(await duty.ticket(client.url))
        racers.append(Racer(client, str(shop.team_id), race, Random(random.random())))
    for racer in racers:
        racer.colleagues = [each.id for each in racers if each is not racer]
        racer.other_team = next(str(shop.team_id) for shop in shops if str(shop.team_id) != racer.team)
    return racers


async def visitors(
    database: Database,
    settings: Settings,
    shops: list[Shop],
    doors: list[str],
    random: Random,
    people: list[WireClient],
) -> list[tuple[WireClient, float, bool]]:
    """Return those who will come, when, and whether they will soon give up."""
    now = datetime.now(UTC)
    found: list[tuple[WireClient, float, bool]] = []
    async with database.sessions() as session:
        for number in range(ARRIVALS):
            shop = shops[number % 2]
            visitor = Visitor(id=uuid7(), site_id=shop.site_id)
            session.add(visitor)
            client = WireClient(doors[number // 2 % len(doors)])
            client.token, _ = issue_visitor_token(
                settings.secret_key.encode(),
                VisitorId(visitor.id),
                SiteId(UUID(str(shop.site_id))),
                0,
                now,
            )
            people.append(client)
            found.append((client, random.uniform(0, ARRIVE_WITHIN_S), random.random() < LEAVES))
        await session.commit()
    return found


async def arrive(visitor: WireClient, after_s: float, leaves: bool) -> None:
    """Come, and get in line."""
    await asyncio.sleep(after_s)
    while True:
        try:
            await visitor.open()
            await insist(visitor, {"t": "hello", "token": visitor.token})
            begun = await insist(visitor, {"t": "start"})
            assert begun["t"] == "ok", begun
            if leaves:
                await insist(visitor, {"t": "leave", "c": begun["c"]})
            return
        except ConnectionError:
            # A machine that is all too busy: "try again later".
            await asyncio.sleep(1)


def spread(seconds: list[float]) -> str:
    """Return some quantiles in words."""
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    p50, p99, most = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99, 1))
    return f"p50 {p50:.3f}, p99 {p99:.3f}, most {most:.3f} s ({len(ordered)} times)"
