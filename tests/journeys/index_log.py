"""What Redis did to the lines of the queue, in its own order: for journeys that ask why somebody was passed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from redis.asyncio import Redis

from app.infra.keys import Keys


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a line.

    Attributes:
        agent: for whom it was taken out, when a script paired them.
    """

    at: datetime
    what: Literal["in", "out"]
    conversation: str
    agent: str | None = None


@contextlib.asynccontextmanager
async def watched_index(redis_url: str, prefix: str) -> AsyncGenerator[list[Step]]:
    """Write down, from now to the end, who is put into the lines of the index and who is taken out."""
    redis = Redis.from_url(redis_url)
    steps: list[Step] = []
    async with redis.monitor() as monitor:
        reading = asyncio.create_task(_read(monitor, Keys(prefix), steps))
        try:
            yield steps
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
    await redis.aclose()


async def _read(monitor: Any, keys: Keys, steps: list[Step]) -> None:
    async for said in monitor.listen():
        words = said["command"].split(" ")
        if len(words) < 3 or not words[1].startswith(keys.index):
            continue
        at, name = datetime.fromtimestamp(float(said["time"]), UTC), words[0].upper()
        if words[1].startswith(keys.queue("")):
            if name == "ZADD":
                conversations = [word for word in words[2:] if _is_id(word)]
                steps += [Step(at, "in", each) for each in conversations]
            elif name == "ZREM":
                steps += [Step(at, "out", each) for each in words[2:]]
        elif name == "HSET" and said["client_type"] == "lua" and words[2] == "load" and len(words) == 8:
            # `take` of pairing.lua: who has just been taken out is for this agent.
            last = steps[-1]
            assert last.what == "out", last
            steps[-1] = Step(last.at, "out", last.conversation, words[1].rsplit(":", 1)[-1])


def _is_id(word: str) -> bool:
    return len(word) == 36 and word.count("-") == 4
