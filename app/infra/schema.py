"""Bring the database's schema up to date, and tell whether it is."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from app.infra.database import asyncpg_url

log = structlog.stdlib.get_logger(__name__)

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


@dataclass(frozen=True)
class SchemaState:
    """The revision of a database (None: never migrated) and the one that this code wants."""

    current: str | None
    head: str | None
    later: bool = False
    """Whether a later release made it: its revision is unknown here."""

    @property
    def up_to_date(self) -> bool:
        return self.current == self.head


async def upgrade(database_url: str, revision: str = "head") -> None:
    """Run the migrations up to `revision`. Processes that do so together take turns.

    A schema that a later release has migrated is left alone: it serves this one too (see CONTRIBUTING.md).

    Raises whatever the database or a migration raises; each migration is one transaction.
    """
    try:
        # Alembic's environment runs an event loop of its own.
        await asyncio.to_thread(command.upgrade, _config(database_url), revision)
    except CommandError:
        state = await schema_state(database_url)
        if not state.later:
            raise
        log.warning("schema_of_a_later_release", revision=state.current, newest_known=state.head)


async def schema_state(database_url: str) -> SchemaState:
    """What the database says of itself and what the migrations here end with."""
    connection = await asyncpg.connect(asyncpg_url(database_url), timeout=10)
    try:
        exists = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        current = await connection.fetchval("SELECT version_num FROM alembic_version") if exists else None
    finally:
        await connection.close()
    scripts = ScriptDirectory.from_config(_config(database_url))
    known = {script.revision for script in scripts.walk_revisions()}
    return SchemaState(current, scripts.get_current_head(), current is not None and current not in known)


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = database_url
    return config
