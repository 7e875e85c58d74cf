"""Whether the index holds exactly those who wait: both are read a stretch of the line at a time, and compared.

A long line costs no more at once than a short one, and one text of a thousand people a tenth of as many rows.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text

from app.chat.models import LANE
from app.infra.keys import Keys
from app.infra.redis import Redis, hash_of, uncancelled
from app.infra.work import WorkUnits
from app.routing.index_rows import RULE

STRETCH = 1000
"""People read at a time."""

# Whoever came in the same moment to the same team is in the same stretch: the next one begins after that moment.
_STRETCH = text(
    f"""
WITH stretch AS (
    SELECT c.id, c.team_id, c.score, {LANE} AS lane, {RULE} AS rule FROM conversation c
    WHERE c.state = 'waiting' AND (c.team_id, c.score) > (CAST(:team AS uuid), :score)
    ORDER BY c.team_id, c.score FETCH FIRST :people ROWS WITH TIES
)
SELECT string_agg(concat_ws(' ', lane, score, id, rule), E'\\n' ORDER BY team_id, score) FROM stretch
"""
)
_TEAMS = text("SELECT id::text FROM team ORDER BY id")

_Moment = tuple[str, int]
"""A team and a score: until where the line has been read."""
_START: _Moment = (str(UUID(int=0)), 0)


@dataclass(frozen=True, slots=True)
class Differing:
    """What differs in one stretch.

    Attributes:
        missing: who does not stand in Redis as Postgres has it.
        wrong: who stands in Redis and not so in Postgres: the score by conversation, by lane.
    """

    missing: list[UUID] = field(default_factory=list[UUID])
    wrong: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])


async def differences(redis: Redis, keys: Keys, work: WorkUnits, pause_s: float = 0.0) -> AsyncGenerator[Differing]:
    """Yield what differs, a stretch after the other. People come and go meanwhile: look again before you act.

    Args:
        pause_s: rest between two stretches.

    Raises:
        RedisError, OSError: Redis is away.
        Unavailable: Postgres is away.
    """
    async with work.reading() as session:
        teams = list(await session.scalars(_TEAMS))
    rules = await hash_of(redis, keys.rules())
    after: _Moment | None = _START
    while after is not None:
        async with work.reading() as session:
            told = await session.scalar(_STRETCH, {"team": after[0], "score": after[1], "people": STRETCH})
        truth: list[str] = told.split("\n") if told else []
        end = _moment(truth[-1]) if len(truth) >= STRETCH else None
        known = await _known(redis, keys, [team for team in teams if _reaches(team, after, end)], rules, after, end)
        yield _differing(set(truth), known)
        after = end
        if after is not None:
            await asyncio.sleep(pause_s)


def _reaches(team: str, after: _Moment, end: _Moment | None) -> bool:
    return after[0] <= team and (end is None or team <= end[0])


def _moment(line: str) -> _Moment:
    lane, score, *_ = line.split(" ")
    return lane.partition("+")[0], int(score)


async def _known(
    redis: Redis, keys: Keys, teams: Sequence[str], rules: dict[str, str], after: _Moment, end: _Moment | None
) -> set[str]:
    """Return who stands in the lanes of some teams between two moments, written as Postgres writes it."""
    asking = redis.pipeline(transaction=False)
    for team in teams:
        asking.smembers(keys.lanes(team))
    lanes = [lane.decode() for found in await uncancelled(asking.execute) for lane in found]
    asking = redis.pipeline(transaction=False)
    for lane in lanes:
        team = lane.partition("+")[0]
        asking.zrange(
            keys.queue(lane),
            f"({after[1]}" if team == after[0] else "-inf",  # pyright: ignore[reportArgumentType]
            end[1] if end is not None and team == end[0] else "+inf",  # pyright: ignore[reportArgumentType]
            byscore=True,
            withscores=True,
        )
    found = await uncancelled(asking.execute)
    return {
        _line(lane, int(score), name, rules.get(name, ""))
        for lane, people in zip(lanes, found, strict=True)
        for name, score in ((member.decode(), score) for member, score in people)
    }


def _line(lane: str, score: int, name: str, rule: str) -> str:
    return f"{lane} {score} {name} {rule}"


def _differing(truth: set[str], known: set[str]) -> Differing:
    wrong: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for line in known - truth:
        lane, score, name, _ = line.split(" ")
        wrong[lane][name] = int(score)
    return Differing([UUID(line.split(" ")[2]) for line in truth - known], dict(wrong))
