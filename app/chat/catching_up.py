"""Reads what many readers have missed with few queries: what is asked for while one runs goes into the next."""

from __future__ import annotations

import asyncio
from uuid import UUID

from app.chat.messages import EventPage, pages_after
from app.infra.work import WorkUnits

MOST_AT_ONCE = 100
PAGE = 100
"""Events of one place."""

Place = tuple[UUID, int, int]
"""Conversation, lane, and the number after which to read."""


class CatchingUp:
    """The reader of one process. It asks Postgres one question at a time.

    When the bus fails or a thousand clients come back at once, everybody misses something in the same moment; a query
    for each would take all connections.

    Args:
        work: units of work.
    """

    def __init__(self, work: WorkUnits) -> None:
        self._work = work
        self._wanted: dict[Place, asyncio.Future[EventPage]] = {}
        self._task: asyncio.Task[None] | None = None

    async def page_after(self, conversation_id: UUID, lane: int, after: int) -> EventPage:
        """Return events that follow `after`. Those who ask for the same share the answer.

        Raises:
            Unavailable: Postgres is away.
        """
        place = (conversation_id, lane, after)
        page = self._wanted.get(place)
        if page is None:
            page = self._wanted[place] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._read(), name="catching_up")
        return await asyncio.shield(page)

    async def _read(self) -> None:
        try:
            while self._wanted:
                places = list(self._wanted)[:MOST_AT_ONCE]
                waiting = [self._wanted.pop(place) for place in places]
                try:
                    async with self._work.begin() as work:
                        pages = await pages_after(work.session, places, PAGE)
                except Exception as error:
                    for future in waiting:
                        future.set_exception(error)
                        # Whoever asked may have left meanwhile.
                        future.exception()
                else:
                    for future, page in zip(waiting, pages, strict=True):
                        future.set_result(page)
        finally:
            self._task = None
