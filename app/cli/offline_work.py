"""Units of work for commands: the database without the rest of a server process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from app.events import Event
from app.infra.database import Database
from app.infra.work import WorkUnits


@asynccontextmanager
async def offline_work(database_url: str) -> AsyncGenerator[WorkUnits]:
    """Open the database for one command.

    Nobody reacts to what happens in it: running server processes notice by their sweeper within seconds.
    """
    database = Database(database_url, pool_size=4)
    try:
        yield WorkUnits(database, _nobody, patience_s=None)
    finally:
        await database.close()


async def _nobody(_: Sequence[Event]) -> None:
    """Tell nobody."""
