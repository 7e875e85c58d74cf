"""The queue: Redis proposes pairs, Postgres decides.

Every method may be called again at any time: what it writes to the index is what Postgres holds. When Redis is away
the methods do nothing but log; the sweeper finds what was missed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import text

from app import clock
from app.clock import to_ms
from app.errors import Unavailable
from app.infra.database import any_of
from app.infra.keys import Keys
from app.infra.redis import FAILURES, IndexLost, Redis, Script, uncancelled
from app.infra.work import WorkUnits
from app.routing.assignment import MAX_PAIRS, Pair, Waiting
from app.routing.availability import ELIGIBLE, MAY_HAVE, candidate, candidates
from app.routing.index_build import build_index
from app.routing.index_check import Differing, differences
from app.routing.index_rows import arrival_args, pairs_of, slot_args, waiting_of
from app.routing.offers import offer_pairs

log = structlog.get_logger()

REBUILD_LOCK = 0x6465736B0001
WHOLE_LINE_S = 60
"""For reading all who wait, and building their index: if a busy machine could not end it, it would begin for ever."""
MAX_ROUNDS = 20
"""Rounds of proposing and being refused before the rest is left to the sweeper."""

_COLUMNS = "c.team_id, c.id, c.score, c.skills, c.reserved_for, c.declined"
_THESE = text(f"SELECT {_COLUMNS} FROM conversation c WHERE c.state = 'waiting' AND c.id {any_of('ids')}")
# Conversations that somebody could serve, and that nobody is pairing just now; normally there are none. Begins with the
# agents, who are few, then with the lanes that they cover: of a hundred thousand who wait only those are looked at.
# Who has just closed a chat is being paired.
_MATCHABLE = text(
    f"""
WITH free AS MATERIALIZED (
    SELECT a.*, tm.team_id FROM agent a JOIN team_member tm ON tm.agent_id = a.id
    WHERE a.load < a.capacity AND (a.freed_at IS NULL OR a.freed_at < now() - interval '1 second') AND {ELIGIBLE}
)
, able AS MATERIALIZED (
    SELECT l.team_id, l.skills FROM (
        SELECT DISTINCT c.team_id, c.skills FROM conversation c
        WHERE c.state = 'waiting' AND c.team_id IN (SELECT team_id FROM free)
    ) l WHERE EXISTS (SELECT 1 FROM free f WHERE f.team_id = l.team_id AND f.skills @> l.skills)
)
SELECT {_COLUMNS}, ARRAY(
    SELECT a.id FROM free a JOIN team t ON t.id = a.team_id WHERE a.team_id = c.team_id AND {MAY_HAVE}
) AS agents
FROM conversation c JOIN able ON able.team_id = c.team_id AND able.skills = c.skills
WHERE c.state = 'waiting' AND c.changed_at < now() - interval '1 second'
  AND EXISTS (SELECT 1 FROM free a JOIN team t ON t.id = a.team_id WHERE a.team_id = c.team_id AND {MAY_HAVE})
ORDER BY c.score, c.id LIMIT 64
"""
)


class Queue:
    """The queues of all teams.

    Args:
        redis: holds the index.
        keys: names it.
        work: units of work; their reactions publish what the claims record.
    """

    def __init__(self, redis: Redis, keys: Keys, work: WorkUnits) -> None:
        self._redis = redis
        self._keys = keys
        self._work = work
        self._arrival = Script("pairing.lua", "arrival.lua")
        self._slot_freed = Script("pairing.lua", "slot_freed.lua")
        self._refreshing: dict[UUID, bool] = {}
        self._in_doubt = False

    async def bring(self, conversation_ids: Sequence[UUID]) -> None:
        """Put those of some conversations that wait in their lanes, as Postgres has them now; pair whoever can be."""

        async def propose() -> list[Pair]:
            pairs: list[Pair] = []
            waiting = await self._waiting(conversation_ids)
            for team in dict.fromkeys(each.team for each in waiting):
                pairs += await self._propose_arrival(team, [each for each in waiting if each.team == team])
            return pairs

        await self._settle(propose)

    async def refresh_agent(self, agent_id: UUID) -> None:
        """Bring an agent's state in the index up to date, and pair them if they have room.

        One at a time: whoever read Postgres while a claim was on its way would propose them for the same room again.
        Who comes meanwhile leaves it to the one at it, who then looks once more.
        """
        if agent_id in self._refreshing:
            self._refreshing[agent_id] = True
            return
        try:
            again = True
            while again:
                self._refreshing[agent_id] = False
                await self._settle(lambda: self._propose_slot(agent_id))
                again = self._refreshing[agent_id]
        finally:
            del self._refreshing[agent_id]

    async def remove(self, lane: str, conversation_id: UUID) -> None:
        """Take a conversation out of a lane, unless it waits there (again) by now."""

        await self._take_out(lane, {str(conversation_id): None})

    async def _take_out(self, lane: str, scores: Mapping[str, int | None]) -> None:
        """Take conversations out of a lane, unless they wait there by now.

        Args:
            scores: where each stands in the lane; None: anywhere. Who waits at another place is put there.
        """
        ids = [UUID(each) for each in scores]

        async def remove() -> list[Pair]:
            # Whoever was paired was taken out then: nearly always nobody stands there.
            there = [each for each, at in zip(scores, await self._at(lane, scores), strict=True) if at is not None]
            if not there:
                return []
            stay = {
                each.id
                for each in await self._waiting(ids)
                if each.lane == lane and scores[each.id] in (None, each.score)
            }
            leave = [each for each in there if each not in stay]
            if not leave:
                return []
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.zrem(self._keys.queue(lane), *leave)
            pipeline.hdel(self._keys.rules(), *leave)
            await uncancelled(pipeline.execute)
            # They may have come back between the question and the removal; from here whoever brings them adds them.
            back = await self._waiting([UUID(each) for each in leave])
            return [pair for each in back for pair in await self._propose_arrival(each.team, [each])]

        await self._settle(remove)

    async def _at(self, lane: str, conversations: Iterable[str]) -> list[float | None]:
        """Return where conversations stand in a lane, by score."""
        asking = self._redis.pipeline(transaction=False)
        asking.exists(self._keys.epoch())
        asking.zmscore(self._keys.queue(lane), list(conversations))
        known, found = await uncancelled(asking.execute)
        if known:
            return found
        # Whoever builds the index just now may have read Postgres before they left.
        await self.rebuild()
        return await uncancelled(lambda: self._redis.zmscore(self._keys.queue(lane), list(conversations)))

    async def _waiting(self, conversation_ids: Sequence[UUID]) -> list[Waiting]:
        """Return those of some conversations that wait."""
        async with self._work.reading() as session:
            return [waiting_of(row) for row in await session.execute(_THESE, {"ids": list(conversation_ids)})]

    async def positions(self, lane: str, conversation_ids: Sequence[UUID]) -> list[int | None]:
        """Return each conversation's place in a lane, 1 being next; None when it is not in line (or Redis is away)."""
        try:
            places = await self._places(lane, conversation_ids)
            if places is None:
                await self.rebuild()
                places = await self._places(lane, conversation_ids)
        except (*FAILURES, Unavailable) as error:
            log.warning("queue.positions_failed", error=repr(error))
            places = None
        return places or [None] * len(conversation_ids)

    async def _places(self, lane: str, conversation_ids: Sequence[UUID]) -> list[int | None] | None:
        """Ask Redis for places; None when it lost the index."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.exists(self._keys.epoch())
        for conversation_id in conversation_ids:
            pipeline.zrank(self._keys.queue(lane), str(conversation_id))
        known, *ranks = await uncancelled(pipeline.execute)
        return [None if rank is None else rank + 1 for rank in ranks] if known else None

    async def pair_stranded(self) -> None:
        """Offer again what waits although somebody is free: a crash, or a lost Redis, got in between."""
        async with self._work.reading() as session:
            stranded = (await session.execute(_MATCHABLE)).all()
        waiting = [waiting_of(row) for row in stranded]
        for agent_id in {agent_id for row in stranded for agent_id in row.agents}:
            await self.refresh_agent(agent_id)
        await self.bring([UUID(each.id) for each in waiting])
        # Whoever was paired by another process meanwhile must not stand in the index again.
        lanes: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for each in waiting:
            lanes[each.lane][each.id] = None
        for lane, theirs in lanes.items():
            await self._take_out(lane, theirs)

    async def settle_doubts(self) -> None:
        """Compare if something was proposed and not settled: it stands in no line, and others would pass it."""
        if self._in_doubt:
            self._in_doubt = False
            await self.compare()

    async def compare(self, rest_s: float = 0.0) -> None:
        """Make the index hold exactly those who wait; whatever differs is put right.

        Args:
            rest_s: pause after each thousand of them.
        """
        try:
            if not await self._redis.exists(self._keys.epoch()):
                await self.rebuild()
                return
            async for differing in differences(self._redis, self._keys, self._work, rest_s):
                await self._put_right(differing)
        except (*FAILURES, Unavailable) as error:
            self._in_doubt = True
            log.warning("queue.compare_postponed", error=repr(error))

    async def _put_right(self, differing: Differing) -> None:
        """Read again what seems to differ, and let the index follow: what was read before the index may be over."""
        for lane, scores in differing.wrong.items():
            await self._take_out(lane, scores)
        if differing.missing:
            await self.bring(differing.missing)

    async def rebuild(self) -> None:
        """Make the index anew from Postgres, unless another process has just done so.

        Raises:
            RedisError, OSError: Redis is away.
            Unavailable: Postgres is away.
        """
        async with self._work.patient(WHOLE_LINE_S).begin() as work:
            await work.session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": REBUILD_LOCK})
            await work.session.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{WHOLE_LINE_S}s'"))
            if await self._redis.exists(self._keys.epoch()):
                return
            agents = await candidates(work.session)
            teams = await build_index(work.session, self._redis, self._keys, agents)
        log.info("queue.rebuilt", teams=len(teams), agents=len(agents))
        for team in teams:
            # Nobody more; whoever stands there.
            await self._settle(partial(self._propose_arrival, team, []))

    async def _propose_again(self, refused: Sequence[Pair]) -> list[Pair]:
        """Propose anew what Postgres refused.

        First they stand in line again, else whoever came later would be next; then the agents are as they are, else
        they would be proposed for room they have not; only then is anybody paired.
        """
        waiting = await self._waiting([UUID(pair.conversation) for pair in refused])
        teams = {each.team: [other for other in waiting if other.team == each.team] for each in waiting}
        for team, theirs in teams.items():
            await self._propose_arrival(team, theirs, hold=True)
        pairs: list[Pair] = []
        for agent in {pair.agent for pair in refused}:
            pairs += await self._propose_slot(UUID(agent))
        for team in teams:
            pairs += await self._propose_arrival(team, [])
        return pairs

    async def _propose_arrival(self, team: str, waiting: Sequence[Waiting], *, hold: bool = False) -> list[Pair]:
        return await self._run(self._arrival, self._keys.lanes(team), arrival_args(waiting, hold=hold))

    async def _propose_slot(self, agent_id: UUID) -> list[Pair]:
        async with self._work.reading() as session:
            agent = await candidate(session, agent_id)
        return await self._run(self._slot_freed, self._keys.agent(agent_id), slot_args(agent)) if agent else []

    async def _run(self, script: Script, key: str, args: Sequence[str | int]) -> list[Pair]:
        args = [self._keys.index, to_ms(clock.now()), *args]
        try:
            found = await script(self._redis, [key], args)
        except IndexLost:
            await self.rebuild()
            found = await script(self._redis, [key], args)
        return pairs_of(found)

    async def _settle(self, propose: Callable[[], Awaitable[list[Pair]]]) -> None:
        """Propose, claim, and go on until nothing is refused, nor left because one call proposes only so many."""
        try:
            began = time.perf_counter()
            pairs = await propose()
            for _ in range(MAX_ROUNDS):
                if not pairs:
                    return
                took_ms = (time.perf_counter() - began) * 1000
                async with self._work.begin() as work:
                    refused = await offer_pairs(work, pairs, clock.now(), took_ms)
                full = len(pairs) >= MAX_PAIRS
                began, pairs = time.perf_counter(), list[Pair]()
                if refused:
                    pairs += await self._propose_again(refused)
                if full:
                    # A script stops there, whoever else could be paired.
                    pairs += await propose()
            self._in_doubt = self._in_doubt or bool(pairs)
        except (*FAILURES, Unavailable) as error:
            self._in_doubt = True
            log.warning("queue.postponed", error=repr(error))
