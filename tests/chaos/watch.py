"""What only shows when one looks again and again: the queue's index, who waits beside a free agent, what is overdue."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg

from app.infra.presence import live_sql
from app.infra.redis import FAILURES, keys_like, members
from tests.chaos.crowding import crowding
from tests.chaos.house import House
from tests.chaos.scene import Scene

EVERY_S = 0.25
BESIDE_EACH_OTHER_S = 3.0
"""I13, in good times. Pairing takes milliseconds; what it missed is found by a sweep that comes every half second and
looks at those who have waited for a second. As long again for three servers and everybody else on two cores."""
OVERDUE_S = 4.0
"""I22, in good times. The clock's duties come every half second or second; as much again as for I13."""
INDEX_WITHIN_S = 40.0
"""I12. The sweep that compares Redis with Postgres comes every 20 s, 35 s after the last one when its process has died,
or 2 s after somebody was in doubt."""

# Who waits, in which lane, and whether somebody could take them now. As the rules say it, not as the code does.
_WAITING = f"""
    SELECT c.id::text AS c, c.gen, array_to_string(ARRAY[c.team_id::text] || c.skills, '+') AS lane, EXISTS (
        SELECT 1 FROM team_member tm JOIN agent a ON a.id = tm.agent_id JOIN team t ON t.id = tm.team_id
        WHERE tm.team_id = c.team_id AND a.active AND a.accepting AND a.load < a.capacity AND {live_sql("a.id")}
          AND a.skills @> c.skills AND coalesce(c.reserved_for, a.id) = a.id AND NOT a.id = ANY (c.declined)
          AND t.strategy <> 'manual' AND (t.share IS NULL OR t.share > (
              SELECT count(*) FROM conversation h
              WHERE h.agent_id = a.id AND h.team_id = t.id AND h.state IN ('offered', 'active')
          ))
    ) AS could_be_served
    FROM conversation c WHERE c.state = 'waiting' AND c.team_id = ANY ($1)
"""
# What a clock should have ended.
_OVERDUE = f"""
    SELECT c.id::text AS c, c.gen, 'is offered, and its time is over' AS what
    FROM conversation c WHERE c.state = 'offered' AND c.team_id = ANY ($1) AND c.offer_expires_at < now()
    UNION ALL SELECT c.id::text, c.gen, 'was passed to a team, and does not come back'
    FROM conversation c WHERE c.state = 'waiting' AND c.team_id = ANY ($1) AND c.returns_at < now()
    UNION ALL SELECT c.id::text, c.gen, 'is kept for somebody, or from somebody, for too long'
    FROM conversation c WHERE c.state = 'waiting' AND c.team_id = ANY ($1) AND (
        c.reserved_for IS NOT NULL AND c.reserved_until < now() OR c.declined <> '{{}}' AND c.declined_until < now()
    )
    UNION ALL SELECT c.id::text, c.gen, 'does not overflow'
    FROM conversation c JOIN team t ON t.id = c.team_id
    WHERE c.state = 'waiting' AND c.team_id = ANY ($1) AND NOT c.overflowed AND c.returns_at IS NULL
      AND c.assigned_at IS NULL AND c.queued_at < now() - make_interval(secs => t.overflow_after_s) AND EXISTS (
        SELECT 1 FROM team_member tm JOIN agent a ON a.id = tm.agent_id
        WHERE tm.team_id = t.overflow_team_id AND a.active AND a.accepting AND a.skills @> c.skills
          AND {live_sql("a.id")}
    )
"""


class Watch:
    """Looks at the queue while a round runs.

    Args:
        found: gets the breaches: (invariant, words).

    Attributes:
        enough: set it to end.
        calm_since: when the last fault was over and everybody had caught up (monotonic); None during a fault.
        longest_beside_s: longest that a free agent and somebody who waits were seen beside each other in calm times.
        longest_off_s: longest that Redis and Postgres differed about somebody who waits.
    """

    def __init__(self, house: House, scene: Scene, found: list[tuple[str, str]]) -> None:
        self._house = house
        self._scene = scene
        self._found = found
        self._beside: dict[tuple[str, int], float] = {}
        self._overdue: dict[tuple[str, int, str], float] = {}
        self._off: dict[tuple[str, int, str], float] = {}
        self._reported: set[object] = set()
        self._looked_at = time.monotonic()
        self._clock_s = 0.0
        self.enough = False
        self.calm_since: float | None = None
        self.longest_beside_s = 0.0
        self.longest_off_s = 0.0

    async def run(self) -> None:
        """Look again and again. (Not to be cancelled: a call of Redis may swallow that.)"""
        while not self.enough:
            try:
                await self._look()
            except (*FAILURES, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                # What cannot be seen is not judged.
                self._beside.clear()
                self._overdue.clear()
                self._off.clear()
            await asyncio.sleep(EVERY_S)

    @property
    def index_is_right(self) -> bool:
        """Whether Redis and Postgres agreed when last seen."""
        return not self._off

    async def _look(self) -> None:
        teams = self._scene.team_ids
        before = await self._waiting(teams)
        indexed: set[tuple[str, str]] = set()
        root = self._house.keys.queue("")
        async with self._house.redis() as redis:
            for key in await keys_like(redis, self._house.keys.queue("*")):
                lane = key.removeprefix(root)
                if lane.partition("+")[0] in map(str, teams):
                    indexed |= {(c, lane) for c in await members(redis, key)}
        waiting = {(row["c"], row["gen"]): row for row in await self._waiting(teams)}
        now = self._now()
        # Who waited before and after the look at Redis, unchanged, should be in it; who waited at neither should not.
        steady = {key for key in ((row["c"], row["gen"]) for row in before) if key in waiting}
        known = {(row["c"], row["lane"]) for row in (*before, *waiting.values())}
        off = {(*key, "is missing in Redis") for key in steady if (key[0], waiting[key]["lane"]) not in indexed}
        off |= {(c, 0, f"waits in Redis only, in {lane}") for c, lane in indexed - known}
        self._off = {key: self._off.get(key, now) for key in off}
        for key, since in self._off.items():
            self.longest_off_s = max(self.longest_off_s, now - since)
            self._report(key, now - since, INDEX_WITHIN_S, "I12", f"{key[0]} {key[2]}")
        if self.calm_since is None:
            self._beside.clear()
            self._overdue.clear()
            return
        overdue = {(row["c"], row["gen"], row["what"]) for row in await self._house.sql(_OVERDUE, teams)}
        self._overdue = {key: self._overdue.get(key, now) for key in overdue}
        for key, since in self._overdue.items():
            self._report(key, now - since, OVERDUE_S, "I22", f"{key[0]} {key[2]}")
        beside = {key for key, row in waiting.items() if row["could_be_served"]}
        self._beside = {key: self._beside.get(key, now) for key in beside}
        for key, since in self._beside.items():
            self.longest_beside_s = max(self.longest_beside_s, now - since)
            self._report(key, now - since, BESIDE_EACH_OTHER_S, "I13", f"{key[0]} waits beside a free agent")

    def _now(self) -> float:
        """Return the time (seconds). It stands still when the machine does: then a look comes late."""
        before, self._looked_at = self._looked_at, time.monotonic()
        self._clock_s += min(self._looked_at - before, 2 * EVERY_S)
        return self._clock_s

    async def _waiting(self, teams: list[Any]) -> list[Any]:
        return await self._house.sql(_WAITING, teams)

    def _report(self, key: object, for_s: float, at_most_s: float, name: str, words: str) -> None:
        if for_s > at_most_s * crowding() and key not in self._reported:
            self._reported.add(key)
            self._found.append((name, f"{words} for {for_s:.1f} s"))
