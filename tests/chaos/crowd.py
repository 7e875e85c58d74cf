"""Many who only look: visitors with an open window and no conversation, to be thrown out and to come back at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.crowding import crowding
from tests.chaos.house import House
from tests.chaos.ledger import Frame
from tests.chaos.person import Person
from tests.chaos.scene import Scene, make_visitors

BACK_WITHIN_S = 60.0


class Looker(Person):
    """A visitor who opens the page and does nothing."""

    key = ""

    async def act(self) -> None:
        await asyncio.sleep(3600)

    async def token(self, url: str) -> str:
        return self.key

    def places(self) -> Frame:
        return {}

    def arrived(self, snapshot: Frame) -> None:
        pass

    def heard(self, frame: Frame) -> None:
        pass

    def may_hear(self, frame: Frame) -> str | None:
        return "an event, without a conversation"


@asynccontextmanager
async def a_crowd(
    house: House, scene: Scene, count: int, chance: random.Random, at: tuple[str, int] | None = None
) -> AsyncIterator[list[Looker]]:
    """So many windows are open while the block runs.

    Args:
        at: the door that all of them come in by; None means any.
    """
    lookers: list[Looker] = []
    for visitor_id, key in await make_visitors(house, scene.shops[0], count):
        looker = Looker("looker", scene.ledger, scene.doors, random.Random(chance.random()), 0)
        looker.id, looker.key, looker.first_door = visitor_id, key, at
        lookers.append(looker)
    try:
        # Not all in one moment: it is their return that is to be a rush.
        for looker in lookers:
            looker.live()
            await asyncio.sleep(0.005)
        await back_again(lookers)
        yield lookers
    finally:
        await asyncio.gather(*(looker.leave() for looker in lookers))


async def back_again(lookers: list[Looker]) -> None:
    """Wait until everybody is connected."""
    deadline = time.monotonic() + BACK_WITHIN_S * crowding()
    while missing := [looker for looker in lookers if not looker.ready.is_set()]:
        if time.monotonic() > deadline:
            words = f"{len(missing)} of {len(lookers)} are not connected, one {missing[0].doing}"
            missing[0].ledger.anomaly("I8", words)
            return
        await asyncio.sleep(0.05)
