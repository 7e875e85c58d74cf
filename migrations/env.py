"""How alembic reaches the database: over asyncpg, one process at a time, never waiting long for a lock."""

import asyncio
from importlib import import_module

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.infra.database import metadata
from app.settings import load_settings

MODELS = (
    "app.canned.models",
    "app.chat.models",
    "app.contacts.models",
    "app.identity.models",
    "app.infra.jobs.models",
    "app.infra.presence_models",
    "app.surveys.models",
)
"""Every module that declares tables. A test compares this list with the files."""
LOCK = 0x6465736B62656C6C
"""The advisory lock of migrations: "deskbell" in ASCII."""
LOCK_TIMEOUT = "2s"
"""A migration that waits longer for a table would hold up everything queued behind it."""
ATTEMPTS = 3
PAUSE = 0.5
"""Seconds between two attempts, for whoever was held up."""
PASSING = {"55P03", "40P01"}
"""Lock not available, deadlock."""


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_alone(url: str) -> None:
    """Migrate while no other process does; those that wait then find nothing left to do."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            # Asked for again and again, not waited for: a waiting statement keeps a
            # snapshot open, which CREATE INDEX CONCURRENTLY in the other would wait for.
            while not await connection.scalar(text(f"SELECT pg_try_advisory_lock({LOCK})")):
                await connection.rollback()
                await asyncio.sleep(0.1)
            await connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            await connection.commit()
            # Closing the connection frees the lock, however this ends.
            await run_patiently(connection)
    finally:
        await engine.dispose()


async def run_patiently(connection: AsyncConnection) -> None:
    """Try again when a table cannot be had; what was migrated before it stays.

    Raises:
        DBAPIError: the last attempt did not get it either, or something else is wrong.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await connection.run_sync(run)
        except DBAPIError as error:
            if attempt == ATTEMPTS or getattr(error.orig, "sqlstate", None) not in PASSING:
                raise
            await connection.rollback()
            await asyncio.sleep(PAUSE)
        else:
            return


def address() -> str:
    """From the caller, else from `-x url=`, else from the settings."""
    given = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get("url")
    return str(given or load_settings().database_url)


for module in MODELS:
    import_module(module)
if context.is_offline_mode():
    context.configure(url=address(), target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(run_alone(address()))
