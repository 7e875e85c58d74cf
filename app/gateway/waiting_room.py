"""Tells this process's visitors their place in line, and whether anybody is there, as it changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from uuid import UUID

import structlog

from app import clock
from app.chat.wire import encode
from app.errors import Unavailable
from app.gateway.connection import Connection
from app.gateway.hub import Hub
from app.gateway.people import Guest
from app.ids import TeamId
from app.infra.keys import queue_topic
from app.infra.work import WorkUnits
from app.protocol.frames import Available
from app.protocol.frames import Queue as QueueFrame
from app.routing.availability import Availability, availability, open_teams
from app.routing.queue import Queue

log = structlog.get_logger()

SETTLE_S = 0.15
"""A burst of changes is told once."""


class WaitingRoom:
    """The visitors of this process, by team."""

    def __init__(self, hub: Hub, queue: Queue, work: WorkUnits) -> None:
        self._hub = hub
        self._queue = queue
        self._work = work
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._again: set[UUID] = set()
        self._open: dict[UUID, bool] = {}

    async def enter(self, connection: Connection, guest: Guest) -> None:
        """Keep a visitor told from now on."""
        await self._hub.join(connection, queue_topic(guest.team_id))

    async def change_team(self, connection: Connection, guest: Guest, team_id: TeamId) -> None:
        """The visitor waits for another team from now on: the site has another, or the conversation was passed on."""
        if guest.team_id != team_id:
            self._hub.leave(connection, queue_topic(guest.team_id))
            guest.team_id = team_id
            await self.enter(connection, guest)
            self.moved(team_id)

    def moved(self, team_id: UUID) -> None:
        """A team's queue or staffing changed: tell those whom it concerns, soon."""
        if team_id in self._tasks:
            self._again.add(team_id)
        else:
            self._tasks[team_id] = asyncio.create_task(self._tell(team_id))

    async def hours_turned(self) -> None:
        """Tell the visitors of teams that opened or closed by their hours since the last call.

        Raises:
            Unavailable: Postgres is away.
        """
        async with self._work.begin() as work:
            open_ = await open_teams(work.session, clock.now())
        for team_id in {each for each in open_ if open_[each] != self._open.get(each)}:
            self.moved(team_id)
        self._open = open_

    async def _availability(self, team_id: UUID) -> Availability:
        async with self._work.begin() as work:
            return await availability(work.session, team_id, clock.now())

    async def _tell(self, team_id: UUID) -> None:
        try:
            while True:
                await asyncio.sleep(SETTLE_S)
                self._again.discard(team_id)
                try:
                    await self._tell_once(team_id)
                except Unavailable as error:
                    log.warning("waiting_room.postponed", error=error.message)
                if team_id not in self._again:
                    return
        finally:
            self._tasks.pop(team_id, None)

    async def _tell_once(self, team_id: UUID) -> None:
        waiting: defaultdict[UUID, list[tuple[Connection, Guest]]] = defaultdict(list)
        idle: list[tuple[Connection, Guest]] = []
        for connection in self._hub.members(queue_topic(team_id)):
            guest = connection.who
            if not isinstance(guest, Guest):
                continue
            if guest.conversation_id is not None and guest.state in ("waiting", "offered"):
                waiting[guest.conversation_id].append((connection, guest))
            elif guest.state == "closed":
                idle.append((connection, guest))
        if idle:
            known = await self._availability(team_id)
            for connection, guest in idle:
                if guest.availability != known:
                    guest.availability = known
                    connection.push(encode(Available(available=known.now, opens_at=known.opens_at)))
        if waiting:
            places = await self._queue.positions(team_id, list(waiting))
            for (conversation_id, people), position in zip(waiting.items(), places, strict=True):
                for connection, guest in people:
                    if position is not None and position != guest.position:
                        guest.position = position
                        connection.push(encode(QueueFrame(c=conversation_id, position=position)))
