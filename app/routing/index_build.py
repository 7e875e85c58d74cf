"""The whole index, made anew: all who wait and all agents, read from Postgres and written to Redis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.chat.models import LANE
from app.ids import uuid7
from app.infra.keys import Keys
from app.infra.redis import Redis, keys_like
from app.routing.assignment import Candidate
from app.routing.index_rows import RULE, agent_fields

T = TypeVar("T")
AT_ONCE = 1000
"""People in one command: of a hundred thousand each would cost more on the way than in Redis."""

# Two arrays a lane: as rows, a hundred thousand people would keep everybody of this process waiting for a second.
_LINES = text(
    f"""
SELECT c.team_id, {LANE} AS lane, array_agg(c.id::text) AS ids, array_agg(c.score) AS scores
FROM conversation c WHERE c.state = 'waiting' GROUP BY c.team_id, c.skills
"""
)
_RULES = text(
    f"""
SELECT c.id, {RULE} AS rule FROM conversation c
WHERE c.state = 'waiting' AND (c.reserved_for IS NOT NULL OR c.declined <> '{{}}')
"""
)


async def build_index(session: AsyncSession, redis: Redis, keys: Keys, agents: Sequence[Candidate]) -> set[str]:
    """Replace the index by what Postgres holds.

    Args:
        agents: everybody who is, or may be, there.

    Returns:
        The teams for which somebody waits.

    Raises:
        RedisError, OSError: Redis is away.
    """
    lines = (await session.execute(_LINES)).all()
    rules = {str(row.id): row.rule for row in await session.execute(_RULES)}
    old = await keys_like(redis, f"{keys.index}*")
    pipeline = redis.pipeline(transaction=False)
    if old:
        pipeline.delete(*old)
    pipeline.set(keys.building(), str(uuid7()))
    for some in _parts(list(rules.items())):
        pipeline.hset(keys.rules(), mapping=dict(some))
    for agent in agents:
        pipeline.hset(keys.agent(agent.id), items=list(chain.from_iterable(agent_fields(agent).items())))
        for place in agent.places:
            if agent.place_in(place.team):
                pipeline.zadd(keys.idle(place.team), {agent.id: agent.score(place.strategy)})
    for team_id, lane, ids, scores in lines:
        pipeline.sadd(keys.lanes(team_id), lane)
        for some in _parts(list(zip(ids, scores, strict=True))):
            pipeline.zadd(keys.queue(lane), dict(some))
            # Nothing else happens in this process while a pipeline is written down.
            await pipeline.execute()
    # Last: until it is there, every script refuses to work on a half-built index. When Redis forgot all once more
    # meanwhile, this fails.
    pipeline.rename(keys.building(), keys.epoch())
    await pipeline.execute()
    return {str(row.team_id) for row in lines}


def _parts(people: list[T]) -> list[list[T]]:
    return [people[at : at + AT_ONCE] for at in range(0, len(people), AT_ONCE)]
