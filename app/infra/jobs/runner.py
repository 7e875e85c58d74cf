"""Carries jobs out inside a server process, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Unavailable
from app.infra.jobs import queue
from app.infra.jobs.outcomes import MAX_ATTEMPTS, Again, GiveUp, pause_after
from app.infra.jobs.queue import TakenJob
from app.infra.work import WorkUnits

log = structlog.get_logger()

Handler = Callable[[TakenJob], Awaitable[Again | None]]
"""Does a job. It may be called again after it has succeeded, if the process dies before that is written down.

Raises GiveUp when it can never succeed; anything else means another attempt later.
"""

AT_ONCE = 4
LOOK_S = 1.0
KEEP_S = queue.LEASE_S / 3
PLAN_S = 600.0
NIGHT = time(3, 0, tzinfo=UTC)


class JobRunner:
    """The jobs of one process.

    Args:
        work: units of work.
        handlers: who carries out which kind. Other kinds are left to processes that know them.
        nightly: kinds that are due each night at three o'clock UTC.
    """

    def __init__(self, work: WorkUnits, handlers: Mapping[str, Handler], nightly: Collection[str] = ()) -> None:
        self._work = work
        self._handlers = handlers
        self._nightly = nightly
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._look = asyncio.Event()
        self._leaving = False

    def start(self) -> None:
        """Begin to take jobs."""
        self._tasks = [
            asyncio.create_task(self._take_forever(), name="jobs"),
            asyncio.create_task(self._plan_forever(), name="jobs.plan"),
        ]

    def leave(self) -> None:
        """Take no more; what runs goes on."""
        self._leaving = True
        self._look.set()

    async def stop(self, patience_s: float) -> None:
        """Let what runs finish for so long, then hand it back. Takes at most twice `patience_s`."""
        self.leave()
        if waiting := {*self._tasks[:1], *self._running}:
            await asyncio.wait(waiting, timeout=patience_s)
        rest = {*self._tasks, *self._running}
        for task in rest:
            task.cancel()
        if rest:
            # Handing back needs Postgres; without it, the lease runs out.
            await asyncio.wait(rest, timeout=patience_s)

    async def _take_forever(self) -> None:
        while not self._leaving:
            room = AT_ONCE - len(self._running)
            for job in await self._take(room) if room else ():
                task = asyncio.create_task(self._carry_out(job), name=f"job.{job.kind}")
                self._running.add(task)
                task.add_done_callback(self._ended)
            # Looked for by the clock: jobs can wait a second, and a notification could be lost.
            self._look.clear()
            if not self._leaving:
                await _within(self._look.wait(), LOOK_S * random.uniform(0.5, 1.5))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._look.set()

    async def _take(self, most: int) -> Collection[TakenJob]:
        try:
            async with self._work.begin() as work:
                return await queue.take(work.session, self._handlers.keys(), most)
        except Unavailable as error:
            log.warning("jobs.not_looked_for", error=error.message)
        except Exception:
            log.exception("jobs.not_looked_for")
        return ()

    async def _carry_out(self, job: TakenJob) -> None:
        doing = asyncio.ensure_future(self._outcome(job))
        keeping = asyncio.create_task(self._keep(job, doing))
        try:
            await self._settle(job, await doing)
        except asyncio.CancelledError:
            if self._leaving:
                log.info("job.handed_back", job=str(job.id), kind=job.kind)
                await self._settle(job, lambda session: queue.postpone(session, job, 0, job.attempt - 1))
            else:
                log.warning("job.lost", job=str(job.id), kind=job.kind)
        finally:
            keeping.cancel()

    async def _outcome(self, job: TakenJob) -> Callable[[AsyncSession], Awaitable[None]]:
        """Do a job, and return what to write down about it."""
        names = {"job": str(job.id), "kind": job.kind, "attempt": job.attempt}
        if job.attempt > MAX_ATTEMPTS:
            log.error("job.failed", **names, error="every process that took it died")
            return lambda session: queue.end(session, job, "every process that took it died")
        try:
            again = await self._handlers[job.kind](job)
        except GiveUp as error:
            reason = str(error)
            log.error("job.failed", **names, error=reason)
            return lambda session: queue.end(session, job, reason)
        except Exception as error:
            reason = _in_a_line(error)
            if job.attempt >= MAX_ATTEMPTS:
                log.exception("job.failed", **names)
                return lambda session: queue.end(session, job, reason)
            pause = pause_after(job.attempt, random.random)
            log.warning("job.postponed", **names, error=reason, pause_s=round(pause, 1))
            return lambda session: queue.postpone(session, job, pause, job.attempt, reason)
        if again is None:
            return lambda session: queue.end(session, job)
        return lambda session: queue.postpone(session, job, again.after_s, 0)

    async def _settle(self, job: TakenJob, write: Callable[[AsyncSession], Awaitable[None]]) -> None:
        """Write down what became of a job. While Postgres is away nobody else can take it, so this waits."""
        while True:
            try:
                async with self._work.begin() as work:
                    await write(work.session)
            except Unavailable:
                await asyncio.sleep(0.2)
                continue
            except Exception:
                # Its lease runs out, and it is done again.
                log.exception("job.not_settled", job=str(job.id), kind=job.kind)
            return

    async def _keep(self, job: TakenJob, doing: asyncio.Future[Any]) -> None:
        """Renew the lease; give the job up once another process has taken it."""
        while True:
            await asyncio.sleep(KEEP_S)
            try:
                async with self._work.begin() as work:
                    ours = await queue.keep(work.session, job)
            except Unavailable:
                continue
            except Exception:
                log.exception("job.not_kept", job=str(job.id), kind=job.kind)
                continue
            if not ours:
                doing.cancel()
                return

    async def _plan_forever(self) -> None:
        """Put the next night's jobs down, and forget old ones."""
        while True:
            try:
                async with self._work.begin() as work:
                    night = next_night(clock.now())
                    for kind in self._nightly:
                        await queue.add_at(work.session, kind, f"{kind}:{night:%Y-%m-%d}", night)
                    await queue.forget_old(work.session)
            except Unavailable as error:
                log.warning("jobs.not_planned", error=error.message)
                await asyncio.sleep(1)
                continue
            except Exception:
                log.exception("jobs.not_planned")
            await asyncio.sleep(PLAN_S * random.uniform(0.9, 1.1))


def next_night(now: datetime) -> datetime:
    """Return the next three o'clock (UTC) after `now`."""
    night = datetime.combine(now.astimezone(UTC).date(), NIGHT)
    return night if night > now else night + timedelta(days=1)


async def _within(waiting: Awaitable[object], seconds: float) -> None:
    # Not `wait_for`: up to Python 3.11 that forgets a cancellation which comes together with the end of the wait.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiting


def _in_a_line(error: BaseException) -> str:
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0] if words else ''}"[:500]
