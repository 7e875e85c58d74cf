"""Days that were: who came, and who was there, read from the episodes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.simulation.arrivals import Arrival
from app.simulation.policy import Policy
from app.simulation.staff import ALWAYS, Impossible, Shift, Worker, joined

_TEAMS = text(
    "SELECT t.id, t.name, t.strategy, t.share, t.sticky_s, t.mode, t.queue_limit, o.name AS overflow "
    "FROM team t LEFT JOIN team o ON o.id = t.overflow_team_id "
    "WHERE CAST(:name AS text) IS NULL OR lower(t.name) = lower(:name) ORDER BY t.name"
)
_EPISODES = text(
    """
SELECT extract(epoch FROM e.queued_at - :since)::float8 AS at_s,
       coalesce(e.conversation_id, e.id)::text AS visitor,
       extract(epoch FROM coalesce(e.assigned_at, e.closed_at) - e.queued_at)::float8 AS waited_s,
       extract(epoch FROM e.closed_at - e.assigned_at)::float8 AS handle_s,
       coalesce(c.skills, '{}') AS skills, s.boost_s
FROM episode e JOIN site s ON s.id = e.site_id LEFT JOIN conversation c ON c.id = e.conversation_id
WHERE e.team_id = :team AND e.queued_at >= :since AND e.queued_at < :until
  AND e.closed_at IS NOT NULL AND e.outcome IN ('answered', 'left', 'abandoned')
ORDER BY e.queued_at, e.id
"""
)
_MEMBERS = text(
    """
SELECT a.id, a.name, a.capacity, a.skills FROM team_member tm JOIN agent a ON a.id = tm.agent_id
WHERE tm.team_id = :team AND a.active AND a.capacity > 0 ORDER BY a.name, a.id
"""
)
# From the coming of the first whom they served that day to the end of the last chat.
_PRESENCE = text(
    """
SELECT a.id, a.name, greatest(a.capacity, 1) AS capacity, a.skills,
       extract(epoch FROM min(e.queued_at) - :since)::float8 AS from_s,
       extract(epoch FROM max(coalesce(st.ended_at, e.closed_at)) - :since)::float8 AS until_s
FROM stint st JOIN episode e ON e.id = st.episode_id JOIN agent a ON a.id = st.agent_id
WHERE e.team_id = :team AND e.queued_at >= :since AND e.queued_at < :until AND e.closed_at IS NOT NULL
GROUP BY a.id, date_trunc('day', e.queued_at AT TIME ZONE 'UTC') ORDER BY a.name, a.id
"""
)


@dataclass(frozen=True, slots=True)
class KnownTeam:
    """A team of this database, and how it runs its queue now.

    Attributes:
        overflows_to: another team's name, if there is one. It is not in the policy: how much room it has besides its
            own visitors nobody recorded.
    """

    id: UUID
    name: str
    policy: Policy
    overflows_to: str | None = None


async def known_team(session: AsyncSession, name: str | None) -> KnownTeam:
    """Find a team by name; the only one there is when none is given.

    Raises:
        Impossible: there is none, or which one is not said.
    """
    rows = (await session.execute(_TEAMS, {"name": name})).all()
    if not rows:
        raise Impossible("there is no team yet." if name is None else f'there is no team "{name}".')
    if len(rows) > 1:
        raise Impossible(f"say which team, with --team: {', '.join(row.name for row in rows)}.")
    row = rows[0]
    policy = Policy("as set", row.strategy, row.sticky_s or 0, share=row.share, mode=row.mode, limit=row.queue_limit)
    return KnownTeam(row.id, row.name, policy, row.overflow)


async def recorded_arrivals(
    session: AsyncSession, team_id: UUID, since: datetime, until: datetime, chance: Random
) -> list[Arrival]:
    """Return who asked for a team's agents in a time, with what is not known of them drawn by chance.

    How long those who were served would have waited nobody knows: what they did wait, and from there the exponential
    distribution whose mean is all waiting ÷ the number of those who gave up. Those who gave up get the length of some
    recorded chat. Skills are those of the visitor's latest conversation.

    Raises:
        Impossible: nobody was served.
    """
    rows = (await session.execute(_EPISODES, {"team": team_id, "since": since, "until": until})).all()
    lengths = [row.handle_s for row in rows if row.handle_s is not None]
    if not lengths:
        raise Impossible("nobody was served by this team in that time: there is nothing to replay.")
    gave_up = len(rows) - len(lengths)
    patience_s = sum(row.waited_s for row in rows) / gave_up if gave_up else math.inf
    return [_arrival(row, lengths, patience_s, chance) for row in rows]


def _arrival(row: Row[Any], lengths: Sequence[float], patience_s: float, chance: Random) -> Arrival:
    more = chance.expovariate(1 / patience_s) if 0 < patience_s < math.inf else patience_s
    drawn = chance.choice(lengths)
    served = row.handle_s is not None
    return Arrival(
        at_s=row.at_s,
        visitor=row.visitor,
        patience_s=max(0.0, row.waited_s) + (more if served else 0.0),
        handle_s=max(0.0, row.handle_s) if served else drawn,
        skills=tuple(sorted(row.skills)),
        boost_s=row.boost_s,
    )


async def members(session: AsyncSession, team: KnownTeam) -> list[Worker]:
    """Return a team's agents as they are now, there all the time.

    Raises:
        Impossible: it has none who takes chats.
    """
    rows = (await session.execute(_MEMBERS, {"team": team.id})).all()
    if not rows:
        raise Impossible(f'nobody in team "{team.name}" takes chats: say --agents.')
    names = _names([(row.id, row.name) for row in rows])
    return [Worker(names[row.id], row.capacity, tuple(sorted(row.skills))) for row in rows]


async def who_was_there(session: AsyncSession, team: KnownTeam, since: datetime, until: datetime) -> list[Worker]:
    """Return who served a team in a time, each there from the first visitor they served to the end of the last chat."""
    values = {"team": team.id, "since": since, "until": until}
    rows = (await session.execute(_PRESENCE, values)).all()
    names = _names(list(dict.fromkeys((row.id, row.name) for row in rows)))
    shifts: defaultdict[UUID, list[Shift]] = defaultdict(list)
    for row in rows:
        shifts[row.id].append((max(0.0, row.from_s), row.until_s))
    latest = {row.id: row for row in rows}
    return [
        Worker(names[row.id], row.capacity, tuple(sorted(row.skills)), joined(shifts[row.id]) or ALWAYS)
        for row in latest.values()
    ]


def _names(people: Sequence[tuple[UUID, str]]) -> dict[UUID, str]:
    """Return each one's name, told apart by numbers where two have the same."""
    seen, found = Counter[str](), dict[UUID, str]()
    for key, name in people:
        seen[name] += 1
        found[key] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return found
