"""What a new Deskbell begins with."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from app.errors import Invalid
from app.events import Event
from app.identity.agents import agent_by_email
from app.identity.first_run import DEMO_SITE_KEY, OWNER_EMAIL, ensure_first_run
from app.identity.models import Agent, Site, Team
from app.identity.sites import site_by_key
from app.identity.teams import members
from app.infra.database import Database
from app.infra.passwords import password_fits
from app.infra.work import WorkUnits

PUBLIC_URL = "http://127.0.0.1:8123"


async def nobody(_: Sequence[Event]) -> None:
    """Tell nobody."""


async def test_the_first_sign_in_works_and_the_site_is_open_to_our_own_pages(database: Database) -> None:
    units = WorkUnits(database, nobody)
    first = await ensure_first_run(units, PUBLIC_URL)
    assert first
    async with units.begin() as work:
        owner = await agent_by_email(work.session, OWNER_EMAIL)
        assert owner
        assert owner.role == "owner"
        assert await password_fits(first.password, owner.password_hash)
        site = await site_by_key(work.session, DEMO_SITE_KEY)
        assert {PUBLIC_URL, "http://localhost:8123"} <= set(site.origins)
        assert [agent.id for agent in await members(work.session, first.team_id)] == [owner.id]


async def test_a_second_start_makes_nothing(database: Database) -> None:
    units = WorkUnits(database, nobody)
    assert await ensure_first_run(units, PUBLIC_URL)
    assert await ensure_first_run(units, PUBLIC_URL) is None


async def test_of_several_processes_that_start_at_once_one_makes_it(database_url: str) -> None:
    databases = [Database(database_url, pool_size=2) for _ in range(4)]
    try:
        found = await asyncio.gather(*(ensure_first_run(WorkUnits(each, nobody), PUBLIC_URL) for each in databases))
        async with databases[0].sessions() as session:
            counts = [await session.scalar(select(func.count()).select_from(each)) for each in (Agent, Team, Site)]
    finally:
        for each in databases:
            await each.close()
    assert len([first for first in found if first]) == 1
    assert counts == [1, 1, 1]


async def test_a_poor_password_makes_nothing(database: Database) -> None:
    units = WorkUnits(database, nobody)
    with pytest.raises(Invalid):
        await ensure_first_run(units, PUBLIC_URL, password="short")
    async with units.begin() as work:
        assert await work.session.scalar(select(func.count()).select_from(Agent)) == 0
