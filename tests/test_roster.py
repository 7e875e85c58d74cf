"""Who is on a process: announced many at a time, and in the end as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from app.gateway.roster import MOST_AT_ONCE, Roster
from app.ids import GatewayId, uuid7
from app.infra.database import Database
from app.infra.presence import Kind
from app.infra.work import Work, WorkUnits
from tests.people import a_site, a_team, an_agent

LONG_S = 20


class Door:
    """A roster, and what it has told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.id = GatewayId(uuid7())
        self.told: list[tuple[UUID, bool]] = []
        self.roster = Roster(self.id, WorkUnits(database, nobody_reacts), self._changed)

    def _changed(self, subject: UUID, _: Kind, online: bool) -> None:
        self.told.append((subject, online))

    async def announced(self) -> set[UUID]:
        """Whom Postgres knows to be here."""
        async with self._database.sessions() as session:
            rows = await session.execute(text("SELECT subject FROM presence WHERE gateway_id = :id"), {"id": self.id})
            return set(rows.scalars())


async def nobody_reacts(_: object) -> None:
    """Nothing follows from what happens here."""


async def visitors(work: Work, count: int) -> list[UUID]:
    """Make anonymous visitors."""
    site = await a_site(work, await a_team(work))
    made = await work.session.execute(
        text(
            "INSERT INTO visitor (id, site_id) SELECT gen_random_uuid(), :site FROM generate_series(1, :count) "
            "RETURNING id"
        ),
        {"site": site.id, "count": count},
    )
    return list(made.scalars())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_crowd_is_announced_and_its_going_too(database: Database) -> None:
    async with WorkUnits(database, nobody_reacts).begin() as work:
        crowd = await visitors(work, MOST_AT_ONCE + 20)
    door = Door(database)
    for each in crowd:
        door.roster.enter(each, "visitor", announce=True)
    await until(lambda: len(door.told) == len(crowd))
    assert await door.announced() == set(crowd)

    for each in crowd[:-1]:
        door.roster.leave(each, heard_at=0.0)
    await until(lambda: len(door.told) == 2 * len(crowd) - 1)
    assert await door.announced() == {crowd[-1]}
    assert (door.roster.sockets(crowd[0]), door.roster.sockets(crowd[-1])) == (0, 1)


async def test_who_only_looks_is_not_announced(database: Database) -> None:
    async with WorkUnits(database, nobody_reacts).begin() as work:
        looks, waits = await visitors(work, 2)
    door = Door(database)
    door.roster.enter(looks, "visitor", announce=False)
    door.roster.enter(waits, "visitor", announce=True)
    await door.roster.announced(waits, LONG_S)
    assert await door.announced() == {waits}
    door.roster.leave(looks, heard_at=0.0)
    assert door.roster.sockets(looks) == 0


async def test_who_comes_and_goes_while_it_is_told_is_told_as_they_are_in_the_end(database: Database) -> None:
    async with WorkUnits(database, nobody_reacts).begin() as work:
        vera, vic = await visitors(work, 2)
        ana = await an_agent(work, "Ana")
    door = Door(database)
    for each in (vera, vic):
        door.roster.enter(each, "visitor", announce=True)
    door.roster.enter(ana.id, "agent", announce=True)
    # The first announcement is on its way now.
    await asyncio.sleep(0)
    door.roster.leave(vera, heard_at=0.0)
    door.roster.leave(vic, heard_at=0.0)
    door.roster.enter(vic, "visitor", announce=True)
    await door.roster.announced(ana.id, LONG_S)
    await until(lambda: (vera, False) in door.told)
    assert await door.announced() == {vic, ana.id}
    assert [online for subject, online in door.told if subject == vic][-1]


async def test_an_agents_coming_gives_them_a_new_revision_and_a_stop_ends_all(database: Database) -> None:
    units = WorkUnits(database, nobody_reacts)
    async with units.begin() as work:
        ana = await an_agent(work, "Ana")
    before = ana.rev
    door = Door(database)
    door.roster.enter(ana.id, "agent", announce=True)
    await door.roster.announced(ana.id, LONG_S)
    async with units.begin() as work:
        rev = await work.session.scalar(text("SELECT rev FROM agent WHERE id = :id"), {"id": ana.id})
    assert rev == before + 1
    await door.roster.stop()
    assert await door.announced() == set()


async def test_one_whom_postgres_refuses_holds_up_nobody_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gateway.roster.AGAIN_S", 0.05)
    async with WorkUnits(database, nobody_reacts).begin() as work:
        refused, *others = await visitors(work, 9)
        await work.session.execute(
            text(f"ALTER TABLE presence ADD CONSTRAINT refused CHECK (subject <> '{refused}') NOT VALID")
        )
    try:
        door = Door(database)
        for each in (others[0], refused, *others[1:]):
            door.roster.enter(each, "visitor", announce=True)
        await until(lambda: len(door.told) == len(others))
        assert await door.announced() == set(others)
        assert (refused, True) not in door.told
    finally:
        async with WorkUnits(database, nobody_reacts).begin() as work:
            await work.session.execute(text("ALTER TABLE presence DROP CONSTRAINT refused"))
    await until(lambda: (refused, True) in door.told)
    assert refused in await door.announced()
