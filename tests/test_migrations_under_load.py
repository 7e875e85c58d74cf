"""Migrations while people talk: the code before them goes on, and one that cannot have its lock gives up cleanly."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from uuid import UUID

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from app.infra.database import asyncpg_url
from app.infra.schema import MIGRATIONS, schema_state, upgrade
from tests.journeys.stage import Stage, a_stage
from tests.journeys.talkers import all_is_well, everybody_spoke, pair, talking
from tests.real_servers import RealServers

EXPAND = """
    def upgrade() -> None:
        for table in ("conversation", "message", "episode", "agent", "visitor", "rating"):
            op.add_column(table, sa.Column("mood", sa.Text(), nullable=True))
            op.add_column(table, sa.Column("weight", sa.Integer(), server_default="1", nullable=False))
        op.create_table("mood", sa.Column("id", sa.Uuid(), primary_key=True))
"""
INDEX = """
    def upgrade() -> None:
        with op.get_context().autocommit_block():
            op.drop_index("ix_message_mood", "message", postgresql_concurrently=True, if_exists=True)
            op.create_index("ix_message_mood", "message", ["mood"], postgresql_concurrently=True)
"""


@pytest.fixture
async def stage(servers: RealServers, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(servers, tmp_path, visitor_messages_per_minute=6000) as stage:
        yield stage
        await stage.send_home()


def a_later_release(directory: Path, head: str | None, *upgrades: str) -> list[str]:
    """Write migrations that follow the newest; return their revisions."""
    made: list[str] = []
    for number, upgrade_function in enumerate(upgrades, 9001):
        header = f"import sqlalchemy as sa\nfrom alembic import op\nrevision = '{number}'\ndown_revision = '{head}'\n"
        (directory / f"{number}.py").write_text(header + dedent(upgrade_function), encoding="utf-8")
        head = str(number)
        made.append(head)
    return made


async def migrate(stage: Stage, directory: Path) -> None:
    """Run the migrations of the later release, as its `deskbell migrate` would."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{MIGRATIONS / 'versions'}{os.pathsep}{directory}")
    config.attributes["url"] = stage.settings.database_url
    await asyncio.to_thread(command.upgrade, config, "head")


async def test_the_code_before_a_migration_goes_on_while_it_runs_and_after_it(
    servers: RealServers, stage: Stage, tmp_path: Path
) -> None:
    state = await schema_state(stage.settings.database_url)
    *_, last = a_later_release(tmp_path, state.head, EXPAND, INDEX)
    shop = await stage.shop()
    pairs = [await pair(stage, shop, number) for number in range(3)]
    async with talking(pairs):
        await everybody_spoke(pairs)
        await migrate(stage, tmp_path)
        await everybody_spoke(pairs)
        # Every kind of change still works: begin, assign, close, rate, begin again.
        ana = await stage.agent(await shop.hire("Ana"))
        vera = await stage.visitor(shop)
        c, gen = await stage.chat(vera, ana)
        await vera.say(c, "Anything new?")
        await ana.command({"t": "note", "c": c, "m": str(UUID(int=0x7 << 76 | 2 << 62)), "body": {"text": "No."}})
        await ana.command({"t": "close", "c": c, "gen": gen})
        await vera.command({"t": "rate", "c": c, "score": 5})
        assert not (await vera.command({"t": "start"}))["dup"]
        # The older release starts on this schema, too.
        await upgrade(stage.settings.database_url)
        await stage.one.stop()
        await stage.one.start()
        await everybody_spoke(pairs)
    await all_is_well(stage, pairs)
    assert (await schema_state(stage.settings.database_url)).current == last
    indexes = await stage.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_message_mood'::regclass")
    assert [row.indisvalid for row in indexes] == [True]
    assert not any("internal" in talker.refusals for both in pairs for talker in both)
    for server in (stage.one, stage.two):
        assert "Traceback" not in server.log, server.log


async def test_a_migration_that_cannot_have_its_table_gives_up_and_leaves_all_at_work(
    stage: Stage, tmp_path: Path
) -> None:
    state = await schema_state(stage.settings.database_url)
    a_later_release(tmp_path, state.head, EXPAND, INDEX)
    pairs = [await pair(stage, await stage.shop(), number) for number in range(2)]
    report = await asyncpg.connect(asyncpg_url(stage.settings.database_url))
    try:
        async with talking(pairs), report.transaction():
            # A report that reads for hours.
            await report.execute("SELECT count(*) FROM message")
            with pytest.raises(DBAPIError, match="lock timeout"):
                await migrate(stage, tmp_path)
            await everybody_spoke(pairs)
    finally:
        await report.close()
    await all_is_well(stage, pairs)
    assert not any(talker.returns for both in pairs for talker in both)
    assert await schema_state(stage.settings.database_url) == state
    columns = await stage.sql("SELECT 1 FROM information_schema.columns WHERE column_name = 'mood'")
    assert columns == [], "half a migration is none"
    await migrate(stage, tmp_path)
    assert (await schema_state(stage.settings.database_url)).later
