"""What only shows when one looks again and again: the queue's index, and who waits beside a free agent."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg

from app.infra.presence import live_sql
from app.infra.redis import FAILURES, members
from tests.chaos.crowding import crowding
from tests.chaos.house import House
from tests.chaos.scene import Scene

EVERY_S = 0.25
BESIDE_EACH_OTHER_S = 3.0
"""I13, in good times. Pairing takes milliseconds; what it missed is found by a sweep that comes every half second and
looks at those who have waited for a second. As long again for three servers and everybody else on two cores."""
INDEX_WITHIN_S = 40.0
"""I12. The sweep that compares Redis with Postgres comes every 20 s, 35 s after the last one when its process has died,
or 2 s after somebody was in doubt."""

# Who waits, and whether somebody could take them now. As the rules say it, not as the code does.
_WAITING = f"""
    SELECT c.team_id::text AS team, c.id::text AS c, c.gen, EXISTS (
        SELECT 1 FROM team_member tm JOIN agent a ON a.id = tm.agent_id
        WHERE tm.team_id = c.team_id AND a.active AND a.accepting AND a.load < a.capacity AND {live_sql("a.id")}
          AND a.skills @> c.skills AND coalesce(c.reserved_for, a.id) = a.id AND NOT a.id = ANY (c.declined)
    ) AS could_be_served
    FROM conversation c WHERE c.state = 'waiting' AND c.team_id = ANY ($1)
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
                self._off.clear()
            await asyncio.sleep(EVERY_S)

    @property
    def index_is_right(self) -> bool:
        """Whether Redis and Postgres agreed when last seen."""
        return not self._off

    async def _look(self) -> None:
        teams = self._scene.team_ids
        before = await self._waiting(teams)
        indexed: set[str] = set()
        async with self._house.redis() as redis:
            for team in teams:
                indexed |= await members(redis, self._house.keys.queue(str(team)))
        waiting = {(row["c"], row["gen"]): row for row in await self._waiting(teams)}
        now = self._now()
        # Who waited before and after the look at Redis, unchanged, should be in it; who waited at neither should not.
        steady = {key for key in ((row["c"], row["gen"]) for row in before) if key in waiting}
        known = {row["c"] for row in before} | {c for c, _ in waiting}
        off = {(*key, "is missing in Redis") for key in steady if key[0] not in indexed}
        off |= {(c, 0, "waits in Redis only") for c in indexed - known}
        self._off = {key: self._off.get(key, now) for key in off}
        for key, since in self._off.items():
            self.longest_off_s = max(self.longest_off_s, now - since)
            self._report(key, now - since, INDEX_WITHIN_S, "I12", f"{key[0]} {key[2]}")
        if self.calm_since is None:
            self._beside.clear()
            return
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
