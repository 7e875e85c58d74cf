"""Who is on this process, kept equal to what Postgres says of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import structlog

from app.errors import Unavailable
from app.identity.events import AgentChanged
from app.ids import AgentId, GatewayId
from app.infra import presence
from app.infra.presence import GATEWAY_LEASE_S, HEARTBEAT_S, Kind
from app.infra.work import WorkUnits

log = structlog.get_logger()

MOST_AT_ONCE = 500
"""People of one announcement."""
AGAIN_S = 5.0
"""After so long somebody who could not be announced is tried again."""


@dataclass(slots=True)
class _Entry:
    kind: Kind
    sockets: int = 0
    wanted: bool = False
    announced: bool = False
    heard_at: float = 0.0
    settled: asyncio.Event | None = None

    @property
    def here(self) -> bool:
        """Whether they are to be announced."""
        return self.wanted and self.sockets > 0


class Roster:
    """Counts sockets a person; announces people with an open conversation, and agents, while they have one.

    Ten thousand visitors who only look cost Postgres nothing. Those who come or go while one announcement is made are
    in the next.

    Args:
        changed: called with (subject, kind, online) after each announcement was committed.
    """

    def __init__(self, gateway_id: GatewayId, work: WorkUnits, changed: Callable[[UUID, Kind, bool], None]) -> None:
        self._gateway_id = gateway_id
        self._work = work
        self._changed = changed
        self._entries: dict[UUID, _Entry] = {}
        self._lease = 0
        self._news: dict[UUID, _Entry] = {}
        self._task: asyncio.Task[None] | None = None
        self._renewed_at = 0.0
        self._steady_since = 0.0

    def sockets(self, subject: UUID) -> int:
        """Return how many sockets a person has here."""
        entry = self._entries.get(subject)
        return entry.sockets if entry else 0

    def enter(self, subject: UUID, kind: Kind, *, announce: bool) -> None:
        """A person has one more socket here."""
        entry = self._entries.setdefault(subject, _Entry(kind))
        entry.sockets += 1
        entry.wanted = entry.wanted or announce
        self._reconcile(subject, entry)

    def announce(self, subject: UUID) -> None:
        """Somebody waits for this person now: say that they are here."""
        entry = self._entries.get(subject)
        if entry is not None and not entry.wanted:
            entry.wanted = True
            self._reconcile(subject, entry)

    async def announced(self, subject: UUID, patience_s: float = 2.0) -> None:
        """Wait until a person's coming was committed, but no longer than `patience_s`."""
        entry = self._entries.get(subject)
        if entry is None or subject not in self._news:
            return
        if entry.settled is None:
            entry.settled = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await entry.settled.wait()

    def leave(self, subject: UUID, heard_at: float) -> None:
        """A person has one socket less; its last frame came at `heard_at` (monotonic seconds)."""
        entry = self._entries.get(subject)
        if entry is None:
            return
        entry.sockets -= 1
        entry.heard_at = max(entry.heard_at, heard_at)
        self._reconcile(subject, entry)

    async def heartbeat_forever(self, work: WorkUnits) -> None:
        """Keep this process's lease; announce everybody again if it was lost meanwhile.

        Args:
            work: units of work on a connection of its own: the lease must not wait behind anybody.
        """
        while True:
            try:
                async with work.begin() as unit:
                    forgotten = await presence.heartbeat(unit.session, self._gateway_id)
                now = time.monotonic()
                if forgotten or now - self._renewed_at > GATEWAY_LEASE_S:
                    self._steady_since = now
                self._renewed_at = now
                if forgotten:
                    self._start_over()
            except Unavailable as error:
                log.warning("roster.heartbeat_failed", error=error.message)
            except Exception:
                log.exception("roster.heartbeat_failed")
            await asyncio.sleep(HEARTBEAT_S)

    def may_bury(self) -> bool:
        """Whether this process may judge others dead: only one that was itself awake and heard all along.

        After an outage of Postgres everybody's lease has run out, the living ones' too.
        """
        now = time.monotonic()
        awake = now - self._renewed_at < 2 * HEARTBEAT_S
        return awake and now - self._steady_since > GATEWAY_LEASE_S

    def _start_over(self) -> None:
        """The others had given this process up: whoever is here must be announced again."""
        self._lease += 1
        for subject, entry in list(self._entries.items()):
            entry.announced = False
            self._reconcile(subject, entry)

    async def stop(self) -> None:
        """Say that everybody has left this process."""
        for entry in self._entries.values():
            entry.sockets = 0
        for subject, entry in list(self._entries.items()):
            self._reconcile(subject, entry)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=3)

    def _reconcile(self, subject: UUID, entry: _Entry) -> None:
        """See to it that what is announced of somebody is what is."""
        if entry.announced != entry.here:
            self._news[subject] = entry
            if self._task is None:
                self._task = asyncio.create_task(self._announce())
        elif subject not in self._news:
            self._forget_if_gone(subject, entry)

    async def _announce(self) -> None:
        """Repeat until there is no news: sockets may come and go while Postgres is asked."""
        try:
            while self._news:
                news = {subject: (entry, entry.here) for subject, entry in islice(self._news.items(), MOST_AT_ONCE)}
                for subject, (entry, online) in list(news.items()):
                    if entry.announced == online:
                        # Back before it was told that they had left, or the other way round.
                        del news[subject]
                        self._announced(subject, entry, online)
                if not news:
                    continue
                lease = self._lease
                try:
                    forgotten = await self._write_each(news)
                except Unavailable as error:
                    log.warning("roster.announce_failed", error=error.message)
                    await asyncio.sleep(1)
                    continue
                if lease != self._lease:
                    continue
                if forgotten and self._renewed_at:
                    self._start_over()
                for subject, (entry, online) in news.items():
                    self._announced(subject, entry, online)
        finally:
            self._task = None

    async def _write_each(self, news: dict[UUID, tuple[_Entry, bool]]) -> bool:
        """As `_write`; but one of whom Postgres cannot be told is taken out of `news`, and holds up nobody else."""
        try:
            return await self._write(news)
        except Unavailable:
            raise
        except Exception:
            if len(news) == 1:
                (subject,) = news
                log.exception("roster.announce_failed", subject=str(subject))
                del news[subject], self._news[subject]
                asyncio.get_running_loop().call_later(AGAIN_S, self._once_more, subject)
                return False
        people, forgotten = list(news.items()), False
        news.clear()
        for part in (people[: len(people) // 2], people[len(people) // 2 :]):
            some = dict(part)
            forgotten = await self._write_each(some) or forgotten
            news.update(some)
        return forgotten

    def _once_more(self, subject: UUID) -> None:
        entry = self._entries.get(subject)
        if entry is not None:
            self._reconcile(subject, entry)

    async def _write(self, news: dict[UUID, tuple[_Entry, bool]]) -> bool:
        """Tell Postgres who is here and who is not. Returns whether the others had given this process up."""
        now, forgotten = time.monotonic(), False
        came: list[tuple[UUID, Kind]] = [(subject, entry.kind) for subject, (entry, online) in news.items() if online]
        left: list[tuple[UUID, Kind, float]] = [
            (subject, entry.kind, max(0.0, now - entry.heard_at) if entry.heard_at else 0.0)
            for subject, (entry, online) in news.items()
            if not online
        ]
        async with self._work.begin() as work:
            if came:
                forgotten = await presence.arrive(work.session, self._gateway_id, came)
            if left:
                await presence.depart(work.session, self._gateway_id, left)
            for subject, (entry, _) in news.items():
                if entry.kind == "agent":
                    work.record(AgentChanged(AgentId(subject)))
        return forgotten

    def _announced(self, subject: UUID, entry: _Entry, online: bool) -> None:
        """It was committed."""
        if entry.announced != online:
            entry.announced = online
            self._changed(subject, entry.kind, online)
        if entry.here == online:
            self._news.pop(subject, None)
            settled, entry.settled = entry.settled, None
            if settled is not None:
                settled.set()
            self._forget_if_gone(subject, entry)

    def _forget_if_gone(self, subject: UUID, entry: _Entry) -> None:
        if entry.sockets <= 0 and not entry.announced:
            self._entries.pop(subject, None)
