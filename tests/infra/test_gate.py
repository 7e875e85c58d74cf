"""The gate: so many at once, in order; who is stuck inside keeps nobody out."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.errors import Unavailable
from app.infra.database import Database
from app.infra.gate import Gate
from app.infra.work import WorkUnits


class Visits:
    """People who go in, stay until they are called, and leave."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.inside: list[int] = []
        self.done = [asyncio.Event() for _ in range(5)]

    async def pay(self, number: int) -> None:
        async with self._gate.inside():
            self.inside.append(number)
            await self.done[number].wait()
        self.inside.remove(number)

    async def begin(self) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.pay(number)) for number in range(5)]
        await settled()
        return tasks


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_than_so_many_are_inside_and_they_go_in_by_turns() -> None:
    visits = Visits(Gate(2, stuck_s=60))
    tasks = await visits.begin()
    assert visits.inside == [0, 1]
    visits.done[1].set()
    await settled()
    assert visits.inside == [0, 2]
    for event in visits.done:
        event.set()
    await asyncio.gather(*tasks)


async def test_who_gives_up_outside_or_fails_inside_takes_no_room_with_them() -> None:
    gate = Gate(1, stuck_s=60)
    visits = Visits(gate)
    tasks = await visits.begin()
    # One who waits outside, then the one inside.
    tasks[1].cancel()
    tasks[0].cancel()
    await settled()
    assert visits.inside[-1] == 2
    for event in visits.done:
        event.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with asyncio.timeout(5), gate.inside():
                raise RuntimeError


async def test_who_is_stuck_keeps_nobody_out_and_leaves_once() -> None:
    gate = Gate(1, stuck_s=0.01)
    visits = Visits(gate)
    tasks = await visits.begin()
    async with asyncio.timeout(5):
        while len(visits.inside) < 5:
            await asyncio.sleep(0.005)
    for event in visits.done:
        event.set()
    await asyncio.gather(*tasks)
    # One at a time again: those who were stuck have not left twice.
    one, two = Visits(gate), Visits(gate)
    first = asyncio.create_task(one.pay(0))
    second = asyncio.create_task(two.pay(0))
    await settled()
    assert (one.inside, two.inside) == ([0], [])
    one.done[0].set()
    two.done[0].set()
    await asyncio.gather(first, second)


async def test_units_of_work_wait_at_their_own_gate_alone(database: Database) -> None:
    async def nobody(_: object) -> None: ...

    crowded = WorkUnits(database, nobody, patience_s=0.2, gate=Gate(1, stuck_s=60))
    async with crowded.patient(30).reading():
        with pytest.raises(Unavailable):
            async with crowded.begin():
                raise AssertionError("there is no room")
        async with crowded.through(Gate(1)).patient(5).begin() as work:
            assert await work.session.scalar(text("SELECT 1")) == 1
