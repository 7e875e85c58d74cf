"""Bring the database's schema up to date, and tell whether it is."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.infra.database import asyncpg_url

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


@dataclass(frozen=True)
class SchemaState:
    """The revision of a database (None: never migrated) and the one that this code wants."""

    current: str | None
    head: str | None

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head


async def upgrade(database_url: str, revision: str = "head") -> None:
    """Run the migrations up to `revision`. Processes that do so together take turns.

    Raises whatever the database or a migration raises; each migration is one transaction.
    """
    # Alembic's environment runs an event loop of its own.
    await asyncio.to_thread(command.upgrade, _config(database_url), revision)


async def schema_state(database_url: str) -> SchemaState:
    """What the database says of itself and what the migrations here end with."""
    connection = await asyncpg.connect(asyncpg_url(database_url), timeout=10)
    try:
        exists = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        current = await connection.fetchval("SELECT version_num FROM alembic_version") if exists else None
    finally:
        await connection.close()
    return SchemaState(current, ScriptDirectory.from_config(_config(database_url)).get_current_head())


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = database_url
    return config
