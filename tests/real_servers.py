"""The Postgres and Redis that the tests run against, and databases in that Postgres."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg

from app.infra.database import asyncpg_url
from app.infra.embedded import EmbeddedServers


@dataclass(frozen=True)
class RealServers:
    """`database_url` is one whose role may create databases."""

    database_url: str
    redis_url: str


@contextmanager
def real_servers() -> Iterator[RealServers]:
    """Those that DESKBELL_TEST_DATABASE_URL and DESKBELL_TEST_REDIS_URL name, else embedded ones."""
    database_url = os.environ.get("DESKBELL_TEST_DATABASE_URL", "").replace("postgresql://", "postgresql+asyncpg://", 1)
    redis_url = os.environ.get("DESKBELL_TEST_REDIS_URL", "")
    if database_url and redis_url:
        yield RealServers(database_url, redis_url)
        return
    with short_directory() as directory:
        embedded = EmbeddedServers(directory / "data", postgres=not database_url, redis=not redis_url)
        asyncio.run(embedded.start())
        try:
            yield RealServers(database_url or embedded.database_url, redis_url or embedded.redis_url)
        finally:
            asyncio.run(embedded.stop())


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory that the servers' user can reach even when the tests run as root.

    (pytest's own temporary directories are closed to everybody else.)
    """
    directory = Path(tempfile.mkdtemp(prefix="deskbell-test-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sibling(database_url: str, name: str) -> str:
    """The address of another database on the same server."""
    start, question, query = database_url.partition("?")
    return f"{start.rpartition('/')[0]}/{name}{question}{query}"


async def create_database(server_url: str) -> str:
    """Make an empty database with a random name; return its address."""
    name = f"deskbell_test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(asyncpg_url(server_url))
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return sibling(server_url, name)


async def drop_database(server_url: str, database_url: str) -> None:
    """Remove a database made by `create_database`, with whoever is still connected to it."""
    connection = await asyncpg.connect(asyncpg_url(server_url))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name_of(database_url)}" WITH (FORCE)')
    finally:
        await connection.close()


def name_of(database_url: str) -> str:
    """The database that an address names."""
    return database_url.partition("?")[0].rpartition("/")[2]


async def empty_tables(database_url: str) -> None:
    """Remove all rows but the record of migrations; only tables that hold some are touched."""
    connection = await asyncpg.connect(asyncpg_url(database_url))
    try:
        tables = [
            f'"{row["tablename"]}"'
            for row in await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
        ]
        if not tables:
            return
        asked = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables)
        used = [row[0] for row in await connection.fetch(asked)]
        if used:
            # A test that left a transaction open should fail here, not hang.
            await connection.execute("SET lock_timeout = '10s'")
            await connection.execute(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE")
    finally:
        await connection.close()
