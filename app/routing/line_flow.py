"""How a lane moves, read from what happened; and what was announced, kept beside what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.routing.availability import ELIGIBLE
from app.routing.wait import FEWEST_CHATS, LATEST_CHATS, Estimate, Flow, flow

# The chats that ended last, not those that began last: of these only the short ones have ended.
# Since the one who waits longest came, somebody has been waiting all the time: what was assigned meanwhile is the pace.
_FLOW = text(
    f"""
WITH oldest AS (
    SELECT queued_at AS since FROM conversation
    WHERE team_id = :team AND skills = CAST(:skills AS text[]) AND state = 'waiting' ORDER BY score, id LIMIT 1
),
recent AS (
    SELECT assigned_at, closed_at FROM episode
    WHERE team_id = :team AND assigned_at > :month AND closed_at IS NOT NULL
    ORDER BY assigned_at DESC LIMIT 10 * {LATEST_CHATS}
),
chats AS (
    SELECT extract(epoch FROM closed_at - assigned_at) AS seconds FROM recent
    ORDER BY closed_at DESC LIMIT {LATEST_CHATS}
),
lately AS (
    SELECT assigned_at IS NULL AS gave_up, extract(epoch FROM coalesce(assigned_at, closed_at) - queued_at) AS seconds
    FROM episode WHERE team_id = :team AND closed_at > :day
      AND (outcome IN ('answered', 'left', 'abandoned') OR outcome = 'offline' AND closed_at > queued_at)
)
SELECT (SELECT count(*) FROM chats) AS chats,
       (SELECT avg(seconds)::float8 FROM chats) AS handle_s,
       (SELECT stddev_pop(seconds)::float8 FROM chats) AS handle_sd_s,
       (SELECT extract(epoch FROM :now - since)::float8 FROM oldest) AS over_s,
       (SELECT count(*) FROM episode e JOIN conversation c ON c.id = e.conversation_id
        WHERE e.team_id = :team AND e.assigned_at > (SELECT since FROM oldest) AND c.skills = CAST(:skills AS text[])
       ) AS assigned,
       (SELECT count(*) FILTER (WHERE gave_up) FROM lately) AS gave_up,
       (SELECT coalesce(sum(seconds), 0)::float8 FROM lately) AS waited_s,
       (SELECT coalesce(sum(a.capacity), 0) FROM team_member tm JOIN agent a ON a.id = tm.agent_id
        WHERE tm.team_id = :team AND a.skills @> CAST(:skills AS text[]) AND {ELIGIBLE}) AS slots
"""
)
_REMEMBER = text(
    """
UPDATE episode e SET estimate_s = x.mean, estimate_low_s = x.low, estimate_high_s = x.high
FROM unnest(CAST(:ids AS uuid[]), CAST(:mean AS float8[]), CAST(:low AS float8[]), CAST(:high AS float8[]))
         AS x (id, mean, low, high)
JOIN conversation c ON c.id = x.id
WHERE e.conversation_id = c.id AND e.number = c.episode AND e.estimate_s IS NULL
"""
)


async def line_flow(session: AsyncSession, lane: str, now: datetime) -> Flow | None:
    """Return how a lane moves, or None while too little is known."""
    team, *skills = lane.split("+")
    values = {
        "team": UUID(team),
        "skills": skills,
        "now": now,
        "day": now - timedelta(days=1),
        "month": now - timedelta(days=30),
    }
    row = (await session.execute(_FLOW, values)).one()
    if row.chats < FEWEST_CHATS or row.over_s is None:
        return None
    return flow(
        slots=row.slots,
        handle_s=row.handle_s,
        assigned=row.assigned,
        over_s=max(0.0, row.over_s),
        gave_up=row.gave_up,
        waited_s=row.waited_s,
        handle_sd_s=row.handle_sd_s,
        chats=row.chats,
    )


async def remember_announced(session: AsyncSession, announced: Mapping[UUID, Estimate]) -> None:
    """Keep the first estimate of each conversation's episode."""
    await session.execute(
        _REMEMBER,
        {
            "ids": list(announced),
            "mean": [each.mean_s for each in announced.values()],
            "low": [each.low_s for each in announced.values()],
            "high": [each.high_s for each in announced.values()],
        },
    )
