"""What Postgres says of visitors who say hello: for all who do in the same moment with one question."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from app import clock
from app.chat.heads import visitor_rows
from app.contacts.visitors import Known, known_visitors
from app.infra.gathering import Gathering
from app.infra.work import WorkUnits
from app.routing.availability import Availability, availability

MOST_VISITORS = 100
MOST_AGENTS = 8
"""Agents welcomed at the same time. When hundreds come at once they wait here, as long as it takes, and not until they
are refused at the gate of those units of work that agents who are there need too."""


@dataclass(frozen=True, slots=True)
class World:
    """A visitor's world at one moment.

    Attributes:
        row: their conversation, if they have one; see `visitor_rows`.
        team_id: whose line they are, or would be, in.
        availability: of that team.
    """

    known: Known
    row: Row[Any] | None
    team_id: UUID
    availability: Availability


class Reception:
    """Knows who comes, for one process.

    Args:
        work: units of work.

    Attributes:
        agents: room for agents who are being welcomed.
    """

    def __init__(self, work: WorkUnits) -> None:
        self._work = work
        self._worlds = Gathering(self._read, MOST_VISITORS)
        self.agents = asyncio.Semaphore(MOST_AGENTS)

    async def world_of(self, visitor_id: UUID) -> World | None:
        """Return a visitor's world as it is now, or None if there is no such visitor.

        Raises:
            Unavailable: Postgres is away.
        """
        return await self._worlds.ask(visitor_id)

    async def _read(self, visitor_ids: list[UUID]) -> list[World | None]:
        async with self._work.reading() as session:
            known = await known_visitors(session, visitor_ids)
            rows = await visitor_rows(session, visitor_ids)
            lines = {each: (_team(known[each], rows.get(each)), known[each].skills) for each in known}
            open_ = {line: await availability(session, line[0], clock.now(), line[1]) for line in set(lines.values())}
        return [
            World(known[each], rows.get(each), lines[each][0], open_[lines[each]]) if each in known else None
            for each in visitor_ids
        ]


def _team(known: Known, row: Row[Any] | None) -> UUID:
    return known.team_id if row is None or row.state == "closed" else row.team_id
