"""`python -m tests.chaos.mutant_worker --mutant NAME`: a server process with one promise taken out of it.

Nothing of this is in the application: the parts are replaced here, before `deskbell worker` runs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections.abc import Callable
from hashlib import sha1
from types import SimpleNamespace
from typing import Any

from sqlalchemy import text

import app.chat.lifecycle
import app.cli
import app.gateway.tail_check
import app.main
import app.routing.offers
from app.chat.journal import Journal, Outcome
from app.infra.redis import Script

LATE_COMMIT_S = 2.0
HELD_S = 4.0
EVERY = 5
"""`publish_before_commit`: one batch in so many is held for that long. Whoever looks for it is in time even on a busy
machine, and the others go on."""


def ack_before_commit() -> None:
    """The journal tells everybody when its statement has run; the COMMIT comes a little later."""
    write = Journal._write

    async def write_and_commit_later(self: Any, batch: Any) -> Any:
        if (late := getattr(self, "late", None)) is not None:
            await late
        connection = await self._connected()
        transaction = connection.transaction()
        await transaction.start()
        try:
            rows = await write(self, batch)
        except BaseException:
            await transaction.rollback()
            raise

        async def commit() -> None:
            await asyncio.sleep(LATE_COMMIT_S)
            await transaction.commit()

        self.late = asyncio.create_task(commit())
        return rows

    Journal._write = write_and_commit_later  # type: ignore[method-assign]


def publish_before_commit() -> None:
    """Now and then the journal publishes when its statement has run; COMMIT and acknowledgement come much later."""
    write = Journal._write
    batches = itertools.count(1)

    async def publish_and_commit(self: Any, batch: Any) -> Any:
        if next(batches) % EVERY:
            return await write(self, batch)
        connection = await self._connected()
        async with connection.transaction():
            rows = await write(self, batch)
            for draft, (status, seq, at, state) in zip(batch, rows, strict=True):
                if status == "ok":
                    self._publish(draft, Outcome(status, seq, at, state))
            await asyncio.sleep(HELD_S)
        return rows

    Journal._write = publish_and_commit  # type: ignore[method-assign]


def skip_gen() -> None:
    """Nobody looks at the generation that a command names."""
    app.chat.lifecycle.check_generation = lambda current, expected: None


def skip_tail_check() -> None:
    """Nobody asks Postgres what the bus lost."""

    async def nothing(self: object) -> None:
        return None

    app.gateway.tail_check.TailCheck._check = nothing  # type: ignore[method-assign]


def no_jitter() -> None:
    """A process that leaves sends everybody away with the same delay."""
    app.main.random = SimpleNamespace(uniform=lambda least, most: least)  # type: ignore[assignment]


def declines_are_forgotten() -> None:
    """Who declined or missed a conversation is asked again at once."""
    miss = app.routing.offers._miss

    async def miss_and_forget(work: Any, conversation: Any, *rest: Any) -> None:
        await miss(work, conversation, *rest)
        conversation.declined, conversation.declined_until = [], None

    app.routing.offers._miss = miss_and_forget


def skills_are_not_looked_at() -> None:
    """Neither Redis, which proposes, nor Postgres, which decides, asks what an agent can do."""
    begin = Script.__init__

    def blind(self: Any, *names: str) -> None:
        begin(self, *names)
        self._text = _without("if #skills == 0 then", "if true then", self._text)
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    Script.__init__ = blind  # type: ignore[method-assign]
    app.routing.offers._TAKE = text(_without("AND a.skills @> c.skills", "", str(app.routing.offers._TAKE)))


def _without(promise: str, nothing: str, source: str) -> str:
    """Return a source with its promise taken out."""
    if promise not in source:
        raise RuntimeError(f"the promise is kept in another way than this mutant knows: {promise}")
    return source.replace(promise, nothing)


MUTATIONS: dict[str, Callable[[], None]] = {
    mutate.__name__: mutate
    for mutate in (
        ack_before_commit,
        publish_before_commit,
        skip_gen,
        skip_tail_check,
        no_jitter,
        declines_are_forgotten,
        skills_are_not_looked_at,
    )
}


def main() -> None:
    """Mutate, then be a worker."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--mutant", choices=sorted(MUTATIONS), required=True)
    MUTATIONS[asked.parse_args().mutant]()
    sys.argv = ["deskbell", "worker"]
    app.cli.main()


if __name__ == "__main__":
    main()
