"""`python -m tests.chaos.mutant_worker --mutant NAME`: a server process with one promise taken out of it.

Nothing of this is in the application: the parts are replaced here, before `deskbell worker` runs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import app.chat.lifecycle
import app.cli
import app.gateway.tail_check
import app.main
from app.chat.journal import Journal, Outcome
from app.clock import to_ms

LATE_COMMIT_S = 0.5


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
    """The journal publishes when its statement has run; COMMIT and acknowledgement come a little later."""
    write = Journal._write

    async def publish_and_commit(self: Any, batch: Any) -> Any:
        connection = await self._connected()
        async with connection.transaction():
            rows = await write(self, batch)
            for draft, (status, seq, at, state) in zip(batch, rows, strict=True):
                if status == "ok":
                    self._publish(draft, Outcome(status, seq, to_ms(at), state))
            await asyncio.sleep(LATE_COMMIT_S)
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


MUTATIONS: dict[str, Callable[[], None]] = {
    mutate.__name__: mutate
    for mutate in (ack_before_commit, publish_before_commit, skip_gen, skip_tail_check, no_jitter)
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
