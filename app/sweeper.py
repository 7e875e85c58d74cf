"""The clock's duties: what must happen when time passes, and again when a crash kept it from happening.

Every process runs them; each works on rows it can lock, so that two do no harm. Those that look at everybody who waits
are done by one process for all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial, wraps
from uuid import UUID

import structlog
from sqlalchemy import text

from app import clock
from app.errors import Unavailable
from app.identity.events import AgentChanged
from app.identity.sessions import forget_expired
from app.ids import AgentId
from app.infra import presence
from app.infra.turns import Turns
from app.infra.work import Work, WorkUnits
from app.routing import clockwork, offers
from app.routing.queue import Queue
from app.routing.transfers import return_unanswered

log = structlog.get_logger()

Duty = Callable[[], Awaitable[object]]
TURN = 0.75
"""Of the time between two rounds of a duty: for so long, whoever did it last has done it for the others too."""
REST_S = 0.05
"""Between two stretches of the line that are compared without a cause."""
GLANCE_S = 0.4
"""For how long it is taken for known which states there are: less than any duty's pause."""
_THERE_ARE = text(
    " UNION ALL ".join(
        f"SELECT '{state}' WHERE EXISTS (SELECT FROM conversation WHERE state = '{state}')"
        for state in ("waiting", "offered", "active")
    )
)


class Sweeper:
    """Runs the duties of one process.

    Args:
        work: units of work; what they record is told like anything else.
        queue: paired again when something is stranded.
        turns: of the duties that look at everybody who waits.
        gateway_id: of this process.
        may_bury: tells whether this process may judge others dead.
        departed: called with (visitor, online=False) for people whose process died.
        look_around: looks which teams opened or closed, and who has waited for long.
    """

    def __init__(
        self,
        work: WorkUnits,
        queue: Queue,
        turns: Turns,
        gateway_id: UUID,
        may_bury: Callable[[], bool],
        departed: Callable[[UUID], None],
        look_around: Callable[[], Awaitable[None]],
    ) -> None:
        self._work = work
        self._gateway_id = gateway_id
        self._may_bury = may_bury
        self._queue = queue
        self._turns = turns
        self._departed = departed
        self._look_around = look_around
        self._tasks: list[asyncio.Task[None]] = []
        self._looking = asyncio.Lock()
        self._looked_at = 0.0
        self._states: set[str] = set()

    def start(self) -> None:
        """Start all duties."""
        own: list[tuple[float, set[str], Duty]] = [
            (0.5, {"offered"}, self.expire_offers),
            (1.0, set(), self.bury_dead_gateways),
            (1.0, {"active"}, self.requeue_from_gone_agents),
            (1.0, {"waiting"}, self.return_unanswered),
            (0.5, {"waiting"}, self.give_to_everybody),
            (5.0, set(), self._look_around),
            (2.0, set(), self._queue.settle_doubts),
            (600.0, set(), self.forget_expired),
        ]
        # Each looks at everybody who waits: what one process has just seen needs no other.
        for_all: list[tuple[float, set[str], Duty]] = [
            (0.5, {"waiting"}, self._queue.pair_stranded),
            (1.0, {"waiting"}, self.let_overflow),
            (15.0, {"waiting"}, self.ask_for_less),
            (10.0, {"waiting", "offered"}, self.abandon_for_gone_visitors),
            (20.0, set(), self.compare),
        ]
        duties = [*own, *((every_s, concerns, self._in_turn(duty, every_s)) for every_s, concerns, duty in for_all)]
        self._tasks = [
            asyncio.create_task(self._repeat(every_s, concerns, duty), name=f"sweeper.{duty.__name__}")
            for every_s, concerns, duty in duties
        ]

    async def stop(self) -> None:
        """End all duties."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def expire_offers(self) -> None:
        """Take back offers that nobody confirmed."""
        await self._until_done(offers.expire_offer)

    async def return_unanswered(self) -> None:
        """Give back what was passed to a team that did not take it."""
        await self._until_done(return_unanswered)

    async def give_to_everybody(self) -> None:
        """Let everybody have what was kept for one agent, or from some, for long enough."""
        await self._until_done(clockwork.give_to_everybody)

    async def ask_for_less(self) -> None:
        """Let those whose language nobody speaks any more have anybody."""
        await self._until_done(clockwork.ask_for_less)

    async def let_overflow(self) -> None:
        """Let those who have waited too long wait for another team."""
        await self._until_done(clockwork.let_overflow)

    async def requeue_from_gone_agents(self) -> None:
        """Put back conversations whose agent has gone."""
        await self._until_done(offers.requeue_from_gone_agent)

    async def abandon_for_gone_visitors(self) -> None:
        """Take out of line those whose visitor has gone."""
        async for away in offers.unserved_and_away(self._work, REST_S):
            await self._until_done(partial(offers.abandon_for_gone_visitor, away=away))

    async def _until_done(self, one: Callable[[Work, datetime], Awaitable[bool]]) -> None:
        """Do something, one transaction each, for as long as there is something to do."""
        found = True
        while found:
            async with self._work.begin() as work:
                found = await one(work, clock.now())

    async def bury_dead_gateways(self) -> None:
        """Clear up after processes that died without a word."""
        if not self._may_bury():
            return
        async with self._work.begin() as work:
            people = await presence.forget_dead_gateways(work.session, self._gateway_id)
            for subject, kind in people:
                if kind == "agent":
                    work.record(AgentChanged(AgentId(subject)))
        for subject, kind in people:
            if kind == "visitor":
                self._departed(subject)
        if people:
            # It may have died between proposing and offering.
            await self._queue.compare()

    async def compare(self) -> None:
        """Compare the index with who waits, unhurried."""
        await self._queue.compare(REST_S)

    async def forget_expired(self) -> None:
        """Delete sessions and tickets that ended long ago."""
        async with self._work.begin() as work:
            await forget_expired(work.session, clock.now())

    def _in_turn(self, duty: Duty, every_s: float) -> Duty:
        """Return a duty that is done when it is this process's turn."""

        @wraps(duty)
        async def in_turn() -> None:
            if await self._turns.mine(duty.__name__, every_s * TURN):
                await duty()

        return in_turn

    async def _states_there_are(self) -> set[str]:
        """Return the states of open conversations, asked once for all duties of a moment: often there are none."""
        async with self._looking:
            if time.monotonic() > self._looked_at + GLANCE_S:
                async with self._work.reading() as session:
                    self._states = set((await session.scalars(_THERE_ARE)).all())
                self._looked_at = time.monotonic()
            return self._states

    async def _repeat(self, every_s: float, concerns: set[str], duty: Duty) -> None:
        """Do a duty again and again.

        Args:
            concerns: states; while no conversation is in one of them there is nothing to do. Empty: it is always done.
        """
        while True:
            await asyncio.sleep(every_s)
            try:
                if not concerns or concerns & await self._states_there_are():
                    await duty()
            except Unavailable as error:
                log.warning("sweeper.postponed", duty=duty.__name__, error=error.message)
            except Exception:
                log.exception("sweeper.failed", duty=duty.__name__)
