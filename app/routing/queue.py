"""The queue: Redis proposes pairs, Postgres decides.

Every method may be called again at any time: what it writes to the index is what Postgres holds. When Redis is away
the methods do nothing but log; the sweeper finds what was missed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

import structlog
from sqlalchemy import text

from app import clock
from app.clock import to_ms
from app.errors import Unavailable
from app.ids import uuid7
from app.infra.keys import Keys
from app.infra.redis import FAILURES, IndexLost, Redis, Script, keys_like, members, uncancelled
from app.infra.work import Work, WorkUnits
from app.routing.assignment import Candidate, Pair
from app.routing.availability import ELIGIBLE, candidate, candidates
from app.routing.offers import offer_pairs

log = structlog.get_logger()

REBUILD_LOCK = 0x6465736B0001
MAX_ROUNDS = 20
"""Rounds of proposing and being refused before the rest is left to the sweeper."""

_WAITING = text("SELECT team_id, id, score FROM conversation WHERE state = 'waiting'")
# Conversations that somebody could serve, and that nobody is pairing just now; normally there are none.
_MATCHABLE = text(
    f"""
SELECT c.team_id, c.id, c.score FROM conversation c
WHERE c.state = 'waiting' AND c.changed_at < now() - interval '1 second' AND EXISTS (
    SELECT 1 FROM team_member tm JOIN agent a ON a.id = tm.agent_id
    WHERE tm.team_id = c.team_id AND a.load < a.capacity AND {ELIGIBLE}
)
ORDER BY c.score, c.id LIMIT 64
"""
)
_FREE_AGENTS = text(
    f"""
SELECT DISTINCT a.id FROM team_member tm JOIN agent a ON a.id = tm.agent_id
WHERE tm.team_id = ANY (:teams) AND a.load < a.capacity AND {ELIGIBLE}
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
        self._in_doubt = False

    async def arrive(self, team_id: UUID, waiting: Sequence[tuple[UUID, int]]) -> None:
        """Put conversations (id, score) in line and pair whoever can be paired."""
        await self._settle(lambda: self._propose_arrival(str(team_id), [(str(c), s) for c, s in waiting]))

    async def refresh_agent(self, agent_id: UUID) -> None:
        """Bring an agent's state in the index up to date, and pair them if they have room."""
        await self._settle(lambda: self._propose_slot(agent_id))

    async def remove(self, team_id: UUID, conversation_id: UUID) -> None:
        """Take a conversation out of line, unless it waits there (again) by now."""

        async def remove() -> list[Pair]:
            if await self._score(team_id, conversation_id) is not None:
                return []
            await uncancelled(lambda: self._redis.zrem(self._keys.queue(team_id), str(conversation_id)))
            # It may have come back between the question and the removal; from here whoever brings it back adds it.
            score = await self._score(team_id, conversation_id)
            if score is None:
                return []
            return await self._propose_arrival(str(team_id), [(str(conversation_id), score)])

        await self._settle(remove)

    async def _score(self, team_id: UUID, conversation_id: UUID) -> int | None:
        """Return the score of a conversation that waits in a team's line, or None."""
        async with self._work.begin() as work:
            row = await work.session.execute(
                text("SELECT score FROM conversation WHERE id = :c AND state = 'waiting' AND team_id = :team"),
                {"c": conversation_id, "team": team_id},
            )
            return row.scalar_one_or_none()

    async def positions(self, team_id: UUID, conversation_ids: Sequence[UUID]) -> list[int | None]:
        """Return each conversation's place in line, 1 being next; None when it is not in line (or Redis is away)."""
        try:
            places = await self._places(team_id, conversation_ids)
            if places is None:
                await self.rebuild()
                places = await self._places(team_id, conversation_ids)
        except (*FAILURES, Unavailable) as error:
            log.warning("queue.positions_failed", error=repr(error))
            places = None
        return places or [None] * len(conversation_ids)

    async def _places(self, team_id: UUID, conversation_ids: Sequence[UUID]) -> list[int | None] | None:
        """Ask Redis for places; None when it lost the index."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.exists(self._keys.epoch())
        for conversation_id in conversation_ids:
            pipeline.zrank(self._keys.queue(team_id), str(conversation_id))
        known, *ranks = await uncancelled(pipeline.execute)
        return [None if rank is None else rank + 1 for rank in ranks] if known else None

    async def pair_stranded(self) -> None:
        """Offer again what waits although somebody is free: a crash, or a lost Redis, got in between."""
        async with self._work.begin() as work:
            stranded = (await work.session.execute(_MATCHABLE)).all()
            if not stranded:
                return
            teams = {team for team, _, _ in stranded}
            free = (await work.session.execute(_FREE_AGENTS, {"teams": list(teams)})).scalars().all()
        for agent_id in free:
            await self.refresh_agent(agent_id)
        for team in teams:
            await self.arrive(team, [(c, score) for t, c, score in stranded if t == team])
        # Whoever was paired by another process meanwhile must not stand in the index again.
        for team, conversation_id, _ in stranded:
            await self.remove(team, conversation_id)

    async def settle_doubts(self) -> None:
        """Compare if something was proposed and not settled: it stands in no line, and others would pass it."""
        if self._in_doubt:
            self._in_doubt = False
            await self.compare()

    async def compare(self) -> None:
        """Make the index hold exactly those who wait; whatever differs is put right."""
        try:
            if not await self._redis.exists(self._keys.epoch()):
                await self.rebuild()
                return
            async with self._work.begin() as work:
                rows = (await work.session.execute(_WAITING)).all()
            truth: dict[str, dict[str, int]] = {}
            for team, conversation, score in rows:
                truth.setdefault(str(team), {})[str(conversation)] = score
            root = self._keys.queue("")
            for key in await keys_like(self._redis, self._keys.queue("*")):
                truth.setdefault(key.removeprefix(root), {})
            for team, waiting in truth.items():
                known = await members(self._redis, self._keys.queue(team))
                missing = [(UUID(c), score) for c, score in waiting.items() if c not in known]
                if missing:
                    await self.arrive(UUID(team), missing)
                for conversation in known - waiting.keys():
                    await self.remove(UUID(team), UUID(conversation))
        except (*FAILURES, Unavailable) as error:
            self._in_doubt = True
            log.warning("queue.compare_postponed", error=repr(error))

    async def rebuild(self) -> None:
        """Make the index anew from Postgres, unless another process has just done so.

        Raises:
            RedisError, OSError: Redis is away.
            Unavailable: Postgres is away.
        """
        async with self._work.begin() as work:
            await work.session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": REBUILD_LOCK})
            if await self._redis.exists(self._keys.epoch()):
                return
            waiting = (await work.session.execute(_WAITING)).all()
            agents = await candidates(work.session)
            await self._replace_index(waiting, agents)
        log.info("queue.rebuilt", waiting=len(waiting), agents=len(agents))
        for team in {team for team, _, _ in waiting}:
            await self.arrive(team, [])

    async def _replace_index(self, waiting: Sequence[tuple[UUID, UUID, int]], agents: Sequence[Candidate]) -> None:
        patterns = (self._keys.queue("*"), self._keys.idle("*"), self._keys.agent("*"))
        old = [key for pattern in patterns for key in await keys_like(self._redis, pattern)]
        pipeline = self._redis.pipeline(transaction=False)
        if old:
            pipeline.delete(*old)
        for team_id, conversation_id, score in waiting:
            pipeline.zadd(self._keys.queue(team_id), {str(conversation_id): score})
        for agent in agents:
            pipeline.hset(
                self._keys.agent(agent.id),
                mapping={
                    "load": agent.load,
                    "capacity": agent.capacity,
                    "rev": agent.rev,
                    "last": agent.last_ms,
                    "teams": ",".join(agent.teams),
                },
            )
            if agent.has_room:
                for team in agent.teams:
                    pipeline.zadd(self._keys.idle(team), {agent.id: agent.least_busy})
        # Last: until it is there, every script refuses to work on a half-built index.
        pipeline.set(self._keys.epoch(), str(uuid7()))
        await pipeline.execute()

    async def _propose_arrival(self, team: str, waiting: Sequence[tuple[str, int]]) -> list[Pair]:
        args: list[str | int] = [self._keys.root, to_ms(clock.now()), team]
        for conversation, score in waiting:
            args += [score, conversation]
        return await self._run(self._arrival, self._keys.queue(team), args)

    async def _propose_slot(self, agent_id: UUID) -> list[Pair]:
        async with self._work.begin() as work:
            agent = await candidate(work.session, agent_id)
        if agent is None:
            return []
        args = [
            self._keys.root,
            to_ms(clock.now()),
            agent.id,
            agent.load,
            agent.capacity,
            agent.rev,
            agent.last_ms,
            ",".join(agent.teams),
        ]
        return await self._run(self._slot_freed, self._keys.agent(agent_id), args)

    async def _run(self, script: Script, key: str, args: Sequence[str | int]) -> list[Pair]:
        try:
            found = await script(self._redis, [key], args)
        except IndexLost:
            await self.rebuild()
            found = await script(self._redis, [key], args)
        return [Pair(c.decode(), a.decode(), t.decode(), int(s)) for c, a, t, s in found]

    async def _settle(self, propose: Callable[[], Awaitable[list[Pair]]]) -> None:
        """Propose, claim, and go on with what was refused until nothing is."""
        try:
            pairs = await propose()
            for _ in range(MAX_ROUNDS):
                if not pairs:
                    return
                async with self._work.begin() as work:
                    refused = await offer_pairs(work, pairs, clock.now())
                    back = await self._still_waiting(work, refused)
                pairs: list[Pair] = []
                # First back in line, then the agents: else whoever came later would be next.
                for pair in back:
                    pairs += await self._propose_arrival(pair.team, [(pair.conversation, pair.score)])
                for agent in {pair.agent for pair in refused}:
                    pairs += await self._propose_slot(UUID(agent))
            self._in_doubt = self._in_doubt or bool(pairs)
        except (*FAILURES, Unavailable) as error:
            self._in_doubt = True
            log.warning("queue.postponed", error=repr(error))

    async def _still_waiting(self, work: Work, refused: Sequence[Pair]) -> list[Pair]:
        if not refused:
            return []
        rows = await work.session.execute(
            text("SELECT id::text, team_id::text FROM conversation WHERE id = ANY (:ids) AND state = 'waiting'"),
            {"ids": [UUID(pair.conversation) for pair in refused]},
        )
        teams = dict(rows.all())
        return [replace(pair, team=teams[pair.conversation]) for pair in refused if pair.conversation in teams]
