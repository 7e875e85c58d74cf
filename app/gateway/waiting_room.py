"""Tells this process's visitors their place in line, and whether anybody is there, as it changes."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from uuid import UUID

import structlog

from app import clock
from app.chat.wire import encode
from app.errors import Unavailable
from app.gateway.connection import Connection
from app.gateway.hub import Hub
from app.gateway.people import Guest
from app.identity.sites import site_by_id
from app.ids import SiteId, TeamId
from app.infra.keys import queue_topic
from app.infra.work import WorkUnits
from app.protocol.frames import Available
from app.protocol.frames import Queue as QueueFrame
from app.routing.availability import (
    Availability,
    availability,
    open_teams,
    teams_with_choice,
    waited_enough,
    whose_visitors_come_to,
)
from app.routing.line_flow import line_flow, remember_announced
from app.routing.queue import Queue
from app.routing.wait import Estimate, Flow, estimates, told

log = structlog.get_logger()

SETTLE_S = 0.15
"""A burst of changes is told once."""
FLOW_S = 5.0
UNSURE_S = 2.0
"""How soon it is looked again how a line moves of which too little was known."""
MOST_TOLD = 5000
"""Places told a second: where thousands wait here, each move of their line would tell all of them another one. It costs
a process about a tenth of its time."""


class _Outlook:
    """What to expect in a lane for some seconds. Each place is worked out once: a long line moves often."""

    def __init__(self, moves: Flow | None) -> None:
        self.since = time.monotonic()
        self._rest = estimates(moves) if moves else None
        self._known: list[Estimate] = []

    @property
    def sure(self) -> bool:
        """Whether enough is known; if not, the next look may find it."""
        return self._rest is not None

    def up_to(self, place: int) -> list[Estimate] | None:
        """Return what those expect who stand at 1, 2, 3 …, as far as `place`, or farther; None while it is unknown."""
        if self._rest is None:
            return None
        self._known += islice(self._rest, max(0, place - len(self._known)))
        return self._known


class WaitingRoom:
    """The visitors of this process, by team."""

    def __init__(self, hub: Hub, queue: Queue, work: WorkUnits) -> None:
        self._hub = hub
        self._queue = queue
        self._work = work
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._again: set[UUID] = set()
        self._open: dict[UUID, bool] = {}
        self._outlooks: dict[str, _Outlook] = {}
        self._again_soon: set[UUID] = set()
        self._rested_at = 0.0

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

    async def look_around(self) -> None:
        """Tell the visitors of teams that opened or closed by their hours since the last call, and offer a choice to
        those who have waited for long.

        Raises:
            Unavailable: Postgres is away.
        """
        async with self._work.reading() as session:
            open_ = await open_teams(session, clock.now())
            asking = await teams_with_choice(session)
            turned = [each for each in open_ if open_[each] != self._open.get(each)]
            turned = await whose_visitors_come_to(session, turned) if turned else []
        for team_id in turned:
            self.moved(team_id)
        self._open = open_
        await self._offer_choice(asking)

    async def _offer_choice(self, asking: Sequence[UUID]) -> None:
        patient = [
            (connection, guest)
            for team_id in asking
            for connection in self._hub.members(queue_topic(team_id))
            if isinstance(guest := connection.who, Guest)
            and guest.state in ("waiting", "offered")
            and guest.position is not None
            and not guest.choice
        ]
        if not patient:
            return
        async with self._work.reading() as session:
            ids = {guest.conversation_id for _, guest in patient if guest.conversation_id is not None}
            found = await waited_enough(session, list(ids), clock.now())
        for connection, guest in patient:
            conversation_id, position = guest.conversation_id, guest.position
            if conversation_id is not None and conversation_id in found and position is not None:
                guest.choice = True
                connection.push(encode(_place(guest, conversation_id, position)))

    async def _outlook(self, team_id: UUID, lane: str) -> _Outlook:
        """How a lane moves, looked at every FLOW_S seconds at most."""
        known = self._outlooks.get(lane)
        if known is None or time.monotonic() - known.since > (FLOW_S if known.sure else UNSURE_S):
            async with self._work.reading() as session:
                known = self._outlooks[lane] = _Outlook(await line_flow(session, lane, clock.now()))
        elif not known.sure and team_id not in self._again_soon:
            # This move may have been the one that makes it known, and the next may be long in coming.
            self._again_soon.add(team_id)
            asyncio.get_running_loop().call_later(UNSURE_S, self._look_again, team_id)
        return known

    def _look_again(self, team_id: UUID) -> None:
        self._again_soon.discard(team_id)
        self.moved(team_id)

    async def _remember(self, announced: dict[UUID, Estimate]) -> None:
        if announced:
            async with self._work.begin() as work:
                await remember_announced(work.session, announced)

    async def _availability(self, team_id: UUID, site_id: SiteId) -> Availability:
        """Return a team's availability for those of a site: what it asks of agents may have changed since they came."""
        async with self._work.reading() as session:
            site = await site_by_id(session, site_id)
            return await availability(session, team_id, clock.now(), site.skills)

    async def _tell(self, team_id: UUID) -> None:
        try:
            while True:
                await asyncio.sleep(max(SETTLE_S, self._rested_at - time.monotonic()))
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
        for site_id in {guest.site_id for _, guest in idle}:
            known = await self._availability(team_id, site_id)
            for connection, guest in idle:
                if guest.site_id == site_id and guest.availability != known:
                    guest.availability = known
                    connection.push(encode(Available(available=known.now, opens_at=known.opens_at, full=known.full)))
        for lane in {entries[0][1].lane for entries in waiting.values()}:
            await self._tell_waiting(team_id, lane, {c: each for c, each in waiting.items() if each[0][1].lane == lane})

    async def _tell_waiting(
        self, team_id: UUID, lane: str, waiting: dict[UUID, list[tuple[Connection, Guest]]]
    ) -> None:
        places = await self._queue.positions(lane, list(waiting))
        found = {c: place for c, place in zip(waiting, places, strict=True) if place is not None}
        expected = (await self._outlook(team_id, lane)).up_to(max(found.values(), default=0))
        if expected:
            new = {c: expected[place - 1] for c, place in found.items() if all(g.told is None for _, g in waiting[c])}
            await self._remember(new)
        now_s = time.monotonic()
        self._rested_at = max(now_s, self._rested_at) + len(found) / MOST_TOLD
        for conversation_id, place in found.items():
            for connection, guest in waiting[conversation_id]:
                before = (guest.position, guest.told and guest.told.seconds)
                guest.position = place
                guest.told = told(expected[place - 1], guest.told, now_s) if expected else None
                after = (place, guest.told and guest.told.seconds)
                if after != before:
                    connection.push(encode(_place(guest, conversation_id, place)))


def _place(guest: Guest, conversation_id: UUID, position: int) -> QueueFrame:
    wait = guest.told.seconds if guest.told else None
    return QueueFrame(c=conversation_id, position=position, wait=wait, choice=guest.choice)
