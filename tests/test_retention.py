"""What ended long ago is erased at night, in small batches; the metrics keep what does not say whose it was."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app import retention
from app.chat.models import Conversation, Episode, Message, Stint
from app.contacts.models import Visitor
from app.identity.models import Agent, Site, Team
from app.identity.permissions import Role
from app.identity.sessions import forget_expired
from app.ids import uuid7
from app.infra.database import Database
from app.infra.jobs import queue
from app.infra.jobs.queue import TakenJob
from app.infra.work import WorkUnits
from app.reports.ratings import Filter, ratings
from app.retention import CONVERSATIONS_AT_ONCE, Retention
from app.surveys.models import Rating
from tests.conftest import StartServer
from tests.people import a_session, a_site, a_team, an_agent

DAYS = 30
TONIGHT = TakenJob(UUID(int=1), retention.KIND, "retention:tonight", {}, 1, UUID(int=2), datetime.now(UTC))


async def nobody(_: object) -> None:
    """Hears what happened and does nothing."""


@dataclass
class Desk:
    """A shop with an agent, and threads of any age."""

    database: Database
    team: Team
    site: Site
    ana: Agent

    @property
    def units(self) -> WorkUnits:
        # A busy machine may take its time.
        return WorkUnits(self.database, nobody, patience_s=None)

    async def threads(self, count: int = 1, *, days_ago: float, state: str = "closed") -> list[UUID]:
        """Rated chats of two messages and a note that ended so many days ago."""
        then = datetime.now(UTC) - timedelta(days=days_ago)
        made: list[UUID] = []
        async with self.units.begin() as work:
            add = work.session.add
            for _ in range(count):
                visitor, c, episode = uuid7(), uuid7(), uuid7()
                made.append(c)
                add(Visitor(id=visitor, site_id=self.site.id, name="Vera", email="vera@mail.example", seen_at=then))
                await work.session.flush()
                add(
                    Conversation(
                        id=c,
                        site_id=self.site.id,
                        team_id=self.team.id,
                        visitor_id=visitor,
                        state=state,
                        agent_id=None if state == "closed" else self.ana.id,
                        last_agent_id=self.ana.id,
                        episode=1,
                        public_seq=2,
                        internal_seq=1,
                        closed_at=then if state == "closed" else None,
                        changed_at=then,
                    )
                )
                await work.session.flush()
                add(
                    Episode(
                        id=episode,
                        conversation_id=c,
                        number=1,
                        site_id=self.site.id,
                        team_id=self.team.id,
                        agent_id=self.ana.id,
                        queued_at=then,
                        closed_at=then,
                        rating_prompted_at=then,
                    )
                )
                await work.session.flush()
                add(Stint(id=uuid7(), episode_id=episode, agent_id=self.ana.id, started_at=then, ended_at=then))
                add(
                    Rating(
                        episode_id=episode,
                        conversation_id=c,
                        site_id=self.site.id,
                        team_id=self.team.id,
                        agent_id=self.ana.id,
                        visitor_id=visitor,
                        score=5,
                        comment="Thank you, I live at 7 Pottery Lane",
                        created_at=then,
                    )
                )
                for lane, seq in ((0, 1), (0, 2), (1, 1)):
                    body = {"text": "my number is 555"}
                    add(
                        Message(
                            conversation_id=c,
                            lane=lane,
                            seq=seq,
                            m=uuid7(),
                            kind="note" if lane else "message",
                            sender_kind="agent",
                            sender_id=self.ana.id,
                            episode=1,
                            at=then,
                            body=body,
                        )
                    )
        return made

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.sessions() as session:
            result: Any = await session.execute(text(statement), values)
            rows = list(result) if result.returns_rows else []
            await session.commit()
        return rows

    async def count(self, table: str) -> int:
        return (await self.sql(f"SELECT count(*) FROM {table}"))[0][0]

    async def until(self, condition: str, within_s: float = 120) -> None:
        async with asyncio.timeout(within_s):
            while not (await self.sql(condition))[0][0]:
                await asyncio.sleep(0.05)


@pytest.fixture
async def desk(database: Database) -> Desk:
    async with WorkUnits(database, nobody, patience_s=None).begin() as work:
        team = await a_team(work)
        site = await a_site(work, team)
        ana = await an_agent(work, "Ana", Role.AGENT, team)
    return Desk(database, team, site, ana)


async def test_only_what_ended_long_enough_ago_is_erased(desk: Desk) -> None:
    (_,) = await desk.threads(days_ago=DAYS + 0.1)
    (young,) = await desk.threads(days_ago=DAYS - 0.1)
    (open_,) = await desk.threads(days_ago=DAYS + 10, state="active")

    await Retention(desk.units, DAYS)(TONIGHT)

    kept = {young, open_}
    assert {row[0] for row in await desk.sql("SELECT id FROM conversation")} == kept
    assert {row[0] for row in await desk.sql("SELECT DISTINCT conversation_id FROM message")} == kept
    assert await desk.count("visitor") == 2


async def test_a_night_after_the_setting_was_taken_back_erases_nothing(desk: Desk) -> None:
    await desk.threads(days_ago=10_000)
    await Retention(desk.units, 0)(TONIGHT)
    assert await desk.count("conversation") == await desk.count("visitor") == 1


async def test_the_metrics_keep_the_score_and_nothing_that_says_whose_it_was(desk: Desk) -> None:
    await desk.threads(3, days_ago=DAYS + 1)
    then = datetime.now(UTC).date() - timedelta(days=DAYS + 1)
    chosen = Filter(then - timedelta(days=1), then + timedelta(days=1))
    async with desk.units.begin() as work:
        before = await ratings(work.session, chosen)
    assert before.total.answers == 3

    await Retention(desk.units, DAYS)(TONIGHT)

    async with desk.units.begin() as work:
        after = await ratings(work.session, chosen)
    assert (after.total, after.scores, after.by_agent, after.by_day) == (
        before.total,
        before.scores,
        before.by_agent,
        before.by_day,
    )
    assert after.comments == []
    assert await desk.count("stint") == 3
    rows = await desk.sql("SELECT DISTINCT conversation_id, visitor_id, comment FROM rating")
    assert rows == [(None, None, None)]
    assert await desk.sql("SELECT DISTINCT conversation_id FROM episode") == [(None,)]
    assert await desk.count("message") == await desk.count("visitor") == 0


async def test_nobody_is_erased_who_is_there_or_whom_somebody_works_on(desk: Desk) -> None:
    here, worked_on, old = await desk.threads(3, days_ago=DAYS + 1)
    await desk.sql("INSERT INTO gateway (id) VALUES (:g)", g=UUID(int=9))
    await desk.sql(
        "INSERT INTO presence (subject, gateway_id, kind) "
        "SELECT visitor_id, :g, 'visitor' FROM conversation WHERE id = :c",
        g=UUID(int=9),
        c=here,
    )
    async with desk.units.begin() as work:
        await work.session.execute(text("SELECT 1 FROM conversation WHERE id = :c FOR UPDATE"), {"c": worked_on})
        await asyncio.wait_for(Retention(desk.units, DAYS)(TONIGHT), 60)
    assert {row[0] for row in await desk.sql("SELECT id FROM conversation")} == {here, worked_on}
    assert old not in {row[0] for row in await desk.sql("SELECT conversation_id FROM message")}


async def test_visitors_who_never_wrote_are_forgotten_too(desk: Desk) -> None:
    async with desk.units.begin() as work:
        for days in (DAYS + 1, DAYS - 1):
            seen_at = datetime.now(UTC) - timedelta(days=days)
            work.session.add(Visitor(id=uuid7(), site_id=desk.site.id, name=str(days), seen_at=seen_at))
    await Retention(desk.units, DAYS)(TONIGHT)
    assert await desk.sql("SELECT name FROM visitor") == [(str(DAYS - 1),)]


async def test_jobs_about_what_was_erased_go_with_it(desk: Desk) -> None:
    (old,) = await desk.threads(days_ago=DAYS + 1)
    (young,) = await desk.threads(days_ago=1)
    async with desk.units.begin() as work:
        for c in (old, young):
            await queue.add(work.session, "letters.answers", str(c), {"conversation": str(c)})
    await Retention(desk.units, DAYS)(TONIGHT)
    assert await desk.sql("SELECT key FROM job") == [(str(young),)]


async def test_sign_ins_that_ended_are_forgotten_without_any_setting(desk: Desk) -> None:
    now = datetime.now(UTC)
    async with desk.units.begin() as work:
        await a_session(work, desk.ana, now - timedelta(days=20))
        await a_session(work, desk.ana, now)
    async with desk.units.begin() as work:
        await forget_expired(work.session, now)
    assert await desk.count("agent_session") == 1


async def test_killed_in_the_middle_the_next_process_goes_on_where_it_stopped(
    desk: Desk, server_process: StartServer
) -> None:
    await desk.threads(CONVERSATIONS_AT_ONCE + 10, days_ago=DAYS + 10)
    await desk.threads(5, days_ago=1)
    (last,) = await desk.sql("SELECT conversation_id FROM message ORDER BY conversation_id LIMIT 1")
    # The oldest of all ended last: it comes in the second batch.
    await desk.sql("UPDATE conversation SET closed_at = closed_at + interval '5 days' WHERE id = :c", c=last[0])
    first = await server_process(retention_days=DAYS)
    await desk.until("SELECT count(*) = 1 FROM job WHERE kind = 'retention'")
    somebody = await desk.database.raw()
    async with somebody.transaction():
        # They hold a message of the second batch, so that the job must stand still there.
        await somebody.execute("SELECT 1 FROM message WHERE conversation_id = $1 FOR UPDATE", last[0])
        await desk.sql("UPDATE job SET due_at = now()")
        await desk.until(
            "SELECT count(*) = 15 AND EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database() AND query LIKE 'DELETE FROM message%') FROM conversation"
        )
        await first.kill()
    await somebody.close()
    assert await desk.count("conversation") == 15, "the first batch is gone, the second was undone"

    await server_process(retention_days=DAYS)
    # Its lease would run out within ten seconds; tests/test_letters.py waits for one.
    await desk.sql("UPDATE job SET due_at = now() WHERE state = 'queued' AND hold IS NOT NULL")
    await desk.until("SELECT count(*) = 1 FROM job WHERE kind = 'retention' AND state = 'done'")
    assert await desk.count("conversation") == await desk.count("visitor") == 5
    assert await desk.count("message") == 15
    assert await desk.count("rating") == CONVERSATIONS_AT_ONCE + 15
