"""Whether the waits that visitors were told came true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.reports.dictionary import Share
from app.reports.queries import query

DAYS = 30


@dataclass(frozen=True, slots=True)
class AnnouncedWaits:
    """The announcements of the last DAYS days. Seconds; None when there was none.

    Attributes:
        came_true: those whose wait lay in the range. Four of five should.
        off_by: mean distance of the wait from what was expected.
        bias: by how much more was expected than came.
    """

    came_true: Share
    off_by: float | None
    bias: float | None


async def announced_waits(session: AsyncSession, now: datetime) -> AnnouncedWaits:
    """Return how the announcements did."""
    row = (await session.execute(query("announced_waits"), {"from_at": now - timedelta(days=DAYS)})).one()
    return AnnouncedWaits(Share(row.came_true, row.n), row.off_by, row.bias)
