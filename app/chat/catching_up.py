"""Reads what many readers have missed with few queries."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from app.chat.messages import EventPage, pages_after
from app.infra.gathering import Gathering
from app.infra.work import WorkUnits

MOST_AT_ONCE = 100
PAGE = 100
"""Events of one place."""

Place = tuple[UUID, int, int]
"""Conversation, lane, and the number after which to read."""


class CatchingUp:
    """The reader of one process. When the bus fails, everybody misses something in the same moment.

    Args:
        work: units of work.
    """

    def __init__(self, work: WorkUnits) -> None:
        self._work = work
        self._pages = Gathering(self._read, MOST_AT_ONCE)

    async def page_after(self, conversation_id: UUID, lane: int, after: int) -> EventPage:
        """Return events that follow `after`. Those who ask for the same share the answer.

        Raises:
            Unavailable: Postgres is away.
        """
        return await self._pages.ask((conversation_id, lane, after))

    async def _read(self, places: list[Place]) -> Sequence[EventPage]:
        async with self._work.reading() as session:
            return await pages_after(session, places, PAGE)
