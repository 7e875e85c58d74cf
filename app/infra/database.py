"""Postgres: the declarative base of every model, the engine, and raw connections for the message road."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
from sqlalchemy import DateTime, MetaData, Text, Uuid, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Model(DeclarativeBase):
    """The base of every table's model. Relationships, where there are any, use `lazy="raise"`."""

    metadata = metadata
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        str: Text(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
    }


# A process that was put to sleep in the middle of a transaction must not hold its locks for longer than its lease.
# Whoever waits for a lock hears `unavailable` while their socket still lives: a silent server is given up.
_SERVER = {
    "application_name": "deskbell",
    "idle_in_transaction_session_timeout": "10000",
    "lock_timeout": "5000",
}


RESTED_S = 1.0


class Database:
    """The way to Postgres for one process.

    Args:
        url: `postgresql+asyncpg://…`.
        pool_size: most connections of SQLAlchemy; the journal and the tail check have their own. All that were needed
            once are kept, and those used last are used first: a new one costs Postgres 20 ms and plans all anew.
    """

    def __init__(self, url: str, pool_size: int = 20) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_use_lifo=True,
            pool_timeout=5,
            connect_args={"timeout": 5, "command_timeout": 30, "server_settings": _SERVER},
        )
        _ping_what_rested(self.engine)
        # Changes are written at the commit, and where `flush` says so: with autoflush each question would write what
        # has changed by then, one row several times.
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        # Without a transaction: a question is one way there and back, not three.
        self.readings = async_sessionmaker(self.engine.execution_options(isolation_level="AUTOCOMMIT"))

    async def raw(self) -> asyncpg.Connection[asyncpg.Record]:
        """Open a plain asyncpg connection that the caller owns and closes.

        Raises:
            OSError, asyncpg.PostgresError: the server cannot be reached.
        """
        return await asyncpg.connect(
            asyncpg_url(self.url), timeout=5, command_timeout=10, server_settings={"application_name": "deskbell"}
        )

    async def close(self) -> None:
        """Give all pooled connections back."""
        await self.engine.dispose()


def _ping_what_rested(engine: AsyncEngine) -> None:
    """See whether a connection is still good before it is used, if it was not used just now.

    `pool_pre_ping` asks each time: one of seven round trips of a hello's transaction.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def rest(_: Any, record: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def wake(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        if time.monotonic() - record.info.get("rests_since", math.inf) < RESTED_S:
            return
        try:
            engine.sync_engine.dialect.do_ping(connection)
        except Exception as error:
            # The pool tries the next one.
            raise DisconnectionError from error


def any_of(name: str) -> str:
    """Return the SQL of `= ANY (the ids of a parameter)` of which the planner does not see how many there are.

    Seeing them it plans anew for each list, which for a head costs ten times what reading it does. Not seeing them, it
    keeps its plan from the sixth time on.

    Args:
        name: of the parameter, a list of UUIDs.
    """
    return f"= ANY (ARRAY(SELECT unnest(CAST(:{name} AS uuid[]))))"


def asyncpg_url(url: str) -> str:
    """Return a SQLAlchemy address as asyncpg wants it: without the driver's name."""
    return re.sub(r"^postgresql\+asyncpg:", "postgresql:", url)
