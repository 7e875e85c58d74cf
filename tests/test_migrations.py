"""The migrations make exactly what the models describe, and processes that start together take turns."""

import asyncio
import os
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.infra.database import Database, metadata
from app.infra.schema import MIGRATIONS, schema_state, upgrade
from tests.conftest import FreshDatabase


async def test_migrations_make_what_the_models_describe(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert metadata.tables, "no models were loaded"
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_table_without_a_migration_would_be_noticed(fresh_database: FreshDatabase) -> None:
    engine = create_async_engine(await fresh_database(), poolclass=NullPool)
    async with engine.connect() as connection:
        found = await connection.run_sync(lambda sync: compare_metadata(MigrationContext.configure(sync), metadata))
    await engine.dispose()
    assert {entry[1].name for entry in found if entry[0] == "add_table"} == set(metadata.tables)


def test_every_module_of_models_is_known_to_the_migrations() -> None:
    app = MIGRATIONS.parent / "app"
    declaring = {
        ".".join(path.relative_to(app.parent).with_suffix("").parts)
        for path in app.rglob("*.py")
        if "__tablename__" in path.read_text(encoding="utf-8")
    }
    known = Path(MIGRATIONS / "env.py").read_text(encoding="utf-8")
    assert declaring
    assert [module for module in sorted(declaring) if f'"{module}"' not in known] == []


def test_migrations_are_one_line_of_revisions() -> None:
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1


async def test_two_processes_that_start_together_migrate_once(fresh_database: FreshDatabase) -> None:
    url = await fresh_database()
    assert (await schema_state(url)).current is None

    await asyncio.gather(*(upgrade_elsewhere(url) for _ in range(2)))

    assert (await schema_state(url)).up_to_date


async def test_a_migrated_database_is_left_as_it_is(database_url: str) -> None:
    before = await schema_state(database_url)
    await upgrade(database_url)
    assert await schema_state(database_url) == before


async def upgrade_elsewhere(url: str) -> None:
    """Run `deskbell migrate` in a process of its own: alembic's context is one a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        "migrate",
        env={**os.environ, "DESKBELL_DATABASE_URL": url, "DESKBELL_REDIS_URL": "redis://unused"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
