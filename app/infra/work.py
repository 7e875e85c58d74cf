"""The unit of work: one transaction; what happened in it is told only after its commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Annotated

import asyncpg
from fastapi import Depends
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.errors import Unavailable
from app.events import Event
from app.infra.database import Database
from app.infra.gate import Gate

React = Callable[[Sequence[Event]], Awaitable[None]]
Promise = Callable[["Work"], Awaitable[None]]
Trouble = Callable[[Sequence[Event]], None]
PATIENCE_S = 8.0
"""How long a transaction may take, with the wait for a connection: a client gives a silent server up."""


class Work:
    """One transaction and the facts recorded in it.

    Attributes:
        session: the SQLAlchemy session whose transaction this is.
        facts: what has happened, in order; told to the reactions after the commit.
    """

    __slots__ = ("facts", "session")

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.facts: list[Event] = []

    def record(self, fact: Event) -> None:
        """Remember a fact, to be told once the transaction has committed."""
        self.facts.append(fact)


class WorkUnits:
    """Makes units of work for one process.

    Args:
        database: where the transactions run.
        react: called with the facts after each commit. Not called when nothing was recorded.
        patience_s: most seconds for a transaction; None: as long as it takes.
        promise: called before a commit when facts were recorded: what must follow from them is written down in the
            same transaction, as jobs.
        trouble: called when Postgres failed under a transaction, with the facts of a commit that was not answered:
            they may have come true, and nobody was told.
        gate: through which each of them goes; None: as many at once as there are connections.
    """

    def __init__(
        self,
        database: Database,
        react: React,
        patience_s: float | None = PATIENCE_S,
        promise: Promise | None = None,
        trouble: Trouble = lambda _: None,
        gate: Gate | None = None,
    ) -> None:
        self._database = database
        self._react = react
        self._patience_s = patience_s
        self._promise = promise
        self._trouble = trouble
        self._gate = gate

    def patient(self, patience_s: float) -> WorkUnits:
        """Return the same, for work that takes longer: a whole line is read, or many rows are written."""
        return WorkUnits(self._database, self._react, patience_s, self._promise, self._trouble, self._gate)

    def through(self, gate: Gate) -> WorkUnits:
        """Return the same, through another gate: neither kind of work stands in line behind the other."""
        return WorkUnits(self._database, self._react, self._patience_s, self._promise, self._trouble, gate)

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[Work]:
        """Run a block in one transaction: commit at its end, roll back if it raises.

        Raises:
            Unavailable: Postgres cannot be reached, does not answer, or refused for a passing reason. If the commit
                itself was not answered it may be done all the same: every command can be given again.
        """
        in_doubt: list[Event] = []
        async with self._within_patience(in_doubt), self._database.sessions() as session:
            work = Work(session)
            yield work
            if work.facts and self._promise is not None:
                await session.flush()
                await self._promise(work)
            in_doubt += work.facts
            await session.commit()
        if work.facts:
            await self._react(work.facts)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession]:
        """Look something up, without a transaction: each statement sees what is committed when it begins.

        Raises:
            Unavailable: as `begin`.
        """
        async with self._within_patience([]), self._database.readings() as session:
            yield session

    @asynccontextmanager
    async def _within_patience(self, in_doubt: list[Event]) -> AsyncGenerator[None]:
        """Run a block that needs Postgres, and say in our words how it failed.

        Args:
            in_doubt: the facts of a commit that is under way; filled by the block when it begins.
        """
        try:
            async with asyncio.timeout(self._patience_s), self._gate.inside() if self._gate else nullcontext():
                yield
        except (DBAPIError, OSError, PoolTimeout, asyncpg.InternalClientError) as error:
            if isinstance(error, DBAPIError) and not is_passing(error):
                raise
            self._trouble(in_doubt)
            raise Unavailable("The database cannot be reached; try again.", retry_after_s=1) from error
        except asyncio.CancelledError:
            # Whoever asked has gone in the middle of the commit.
            if in_doubt:
                self._trouble(in_doubt)
            raise


def is_passing(error: DBAPIError) -> bool:
    """Tell whether a database error is of a kind that a repeat may get past.

    Connection failures (class 08), insufficient resources (53: disk full, too many connections), operator
    intervention (57: shutdown, cancel), system errors (58), deadlock and serialisation (40), lock timeout (55P03).
    """
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return state[:2] in {"08", "40", "53", "57", "58"} or state in {"25006", "55P03"}


async def _work_of_request(connection: HTTPConnection) -> AsyncIterator[Work]:
    units: WorkUnits = connection.app.state.work
    async with units.begin() as work:
        yield work


# scope="function": the commit comes before the response is sent, not after it.
RequestWork = Annotated[Work, Depends(_work_of_request, scope="function")]
"""A route's unit of work: committed when the route has returned, before its answer leaves."""
