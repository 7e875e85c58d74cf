"""So many at once, in order: whoever waits outside costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

STUCK_S = 0.5


class Gate:
    """Lets people in one after the other, as others leave.

    Args:
        at_once: how many may be inside.
        stuck_s: who is inside for longer waits for something that is not the processor's (a lock, a disk), and keeps
            nobody out any more.
    """

    def __init__(self, at_once: int, stuck_s: float = STUCK_S) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._stuck_s = stuck_s

    @asynccontextmanager
    async def inside(self) -> AsyncGenerator[None]:
        """Wait for a turn, and run a block inside."""
        await self._room.acquire()
        counts = True

        def leave() -> None:
            nonlocal counts
            if counts:
                counts = False
                self._room.release()

        stuck = asyncio.get_running_loop().call_later(self._stuck_s, leave)
        try:
            yield
        finally:
            stuck.cancel()
            leave()
