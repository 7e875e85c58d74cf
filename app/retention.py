"""What an operator does not want to keep: conversations that ended long ago are erased at night, in small batches.

A conversation goes as a whole, once its last chat ended long enough ago: its lanes must stay dense while it lives.
Episodes, stints and scores stay, for the metrics, with nothing that says whose they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.infra.jobs.queue import TakenJob
from app.infra.work import WorkUnits

log = structlog.get_logger()

KIND = "retention"
CONVERSATIONS_AT_ONCE = 50
VISITORS_AT_ONCE = 1000
REST_S = 0.05
"""Seconds between two batches, which belong to the people who chat."""

# Locked, and left alone when somebody works on it; never under somebody who is there.
_OLD = text(
    """
    SELECT c.id FROM conversation c
    WHERE c.team_id = :team AND c.state = 'closed' AND c.closed_at < :before
      AND NOT EXISTS (SELECT 1 FROM presence p WHERE p.subject = c.visitor_id)
    ORDER BY c.closed_at LIMIT :most FOR UPDATE OF c SKIP LOCKED
    """
)
_ERASE = [
    text(
        "UPDATE rating SET conversation_id = NULL, visitor_id = NULL, comment = NULL WHERE conversation_id = ANY (:c)"
    ),
    text("UPDATE episode SET conversation_id = NULL WHERE conversation_id = ANY (:c)"),
    text("DELETE FROM message WHERE conversation_id = ANY (:c)"),
    # What still waits to be sent about it, and errors that may hold an address.
    text("DELETE FROM job WHERE payload->>'conversation' = ANY (CAST(CAST(:c AS uuid[]) AS text[]))"),
    text("DELETE FROM conversation WHERE id = ANY (:c)"),
]
_VISITORS = text("SELECT id FROM visitor WHERE id > :after ORDER BY id LIMIT :most")
_FORGET_VISITORS = text(
    """
    DELETE FROM visitor v WHERE v.id = ANY (:ids) AND v.seen_at < :before
      AND NOT EXISTS (SELECT 1 FROM conversation c WHERE c.visitor_id = v.id)
      AND NOT EXISTS (SELECT 1 FROM presence p WHERE p.subject = v.id)
    RETURNING v.id
    """
)


class Retention:
    """Carries out the nightly job. Killed at any moment, the next one goes on where it stopped.

    Args:
        days: conversations that ended so many days ago are erased; 0 (the setting was taken back): none.
    """

    def __init__(self, work: WorkUnits, days: int) -> None:
        self._work = work
        self._days = days

    async def __call__(self, _: TakenJob) -> None:
        """Erase everything that is too old."""
        if not self._days:
            return
        before = clock.now() - timedelta(days=self._days)
        async with self._work.reading() as session:
            teams = (await session.scalars(text("SELECT id FROM team ORDER BY id"))).all()
        conversations = 0
        for team_id in teams:
            while erased := await self._erase_some(team_id, before):
                conversations += erased
                await asyncio.sleep(REST_S)
        visitors = await self._forget_visitors(before)
        log.info("retention.done", conversations=conversations, visitors=visitors, before=before.isoformat())

    async def _erase_some(self, team_id: UUID, before: datetime) -> int:
        async with self._work.begin() as work:
            found = await work.session.scalars(_OLD, {"team": team_id, "before": before, "most": CONVERSATIONS_AT_ONCE})
            ids = found.all()
            if ids:
                await erase_conversations(work.session, ids)
        return len(ids)

    async def _forget_visitors(self, before: datetime) -> int:
        """Forget visitors who have no conversation (any more) and were not seen since."""
        forgotten, after = 0, UUID(int=0)
        while True:
            async with self._work.begin() as work:
                page = await work.session.scalars(_VISITORS, {"after": after, "most": VISITORS_AT_ONCE})
                ids = page.all()
                if not ids:
                    return forgotten
                gone = await work.session.execute(_FORGET_VISITORS, {"ids": ids, "before": before})
                forgotten += len(gone.all())
            after = ids[-1]
            await asyncio.sleep(REST_S)


async def erase_conversations(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Erase locked conversations with their messages; what the metrics need stays without a name."""
    for statement in _ERASE:
        await session.execute(statement, {"c": list(ids)})
