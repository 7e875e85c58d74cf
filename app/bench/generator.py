"""The load generator: a process of its own that plays visitors and agents.

`python -m app.bench.generator ORDERS DIARY` does what it reads on standard input and answers on standard output, a
line each: `open N` (until N sockets are open) → `open N`; `speak` → `begin` when the measurement starts and `end`
when everything is decided; `churn N` (N sockets were opened and reset) → `end`; `lose` → `begin`: a process may die
now, `end` when all have come back; `flood R` (R messages a second, whatever the server says) → `end` after the next
line; `quit` → its diary is written. What goes wrong is its last line on standard error, and exit code 1.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import msgspec
import uvloop

from app.bench.comeback import Comeback
from app.bench.flood import Flood
from app.bench.orders import Flooded, Orders, Return, Seat
from app.bench.talk import Talk
from app.bench.visit import Visit, VisitError

AT_ONCE = 16
"""Sockets that say hello at the same time."""


class Generator:
    """One run of the process."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._talk = Talk(orders)
        self._comeback = Comeback(orders)
        self._seen: Return | Flooded | None = None
        self._visits: list[Visit] = []
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, diary: Path) -> None:
        """Do what standard input says until it says `quit` or ends.

        Raises:
            VisitError: a socket was refused or closed.
        """
        obeying = asyncio.ensure_future(self._obey())
        await asyncio.wait([obeying, self._lost], return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done():
            obeying.cancel()
            await self._lost
        await obeying
        for visit in self._visits:
            visit.close()
        diary.write_bytes(msgspec.json.encode(self._seen or self._talk.diary()))

    async def _obey(self) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while words := (await reader.readline()).decode().split():
            match words:
                case ["open", count]:
                    await self._open(int(count))
                    _answer(f"open {len(self._visits)}")
                case ["speak"]:
                    # A pause of the collector would look like the server's.
                    gc.collect()
                    gc.disable()
                    await self._talk.speak(lambda: _answer("begin"))
                    _answer("end")
                case ["churn", cycles]:
                    await self._churn(int(cycles))
                    _answer("end")
                case ["lose"]:
                    _answer("begin")
                    self._seen = await self._comeback.run()
                    _answer("end")
                case ["flood", per_s]:
                    flood = Flood(self._orders.seats, self._orders.conversations[0])
                    running = asyncio.ensure_future(flood.run(float(per_s)))
                    await reader.readline()
                    flood.stop()
                    self._seen = await running
                    _answer("end")
                case _:
                    return

    async def _open(self, count: int) -> None:
        seats = iter(self._orders.seats[len(self._visits) : count])

        async def open_some() -> None:
            for seat in seats:
                visit = self._visit(seat)
                self._visits.append(visit)
                await visit.arrive()
                (self._comeback if self._orders.refuge else self._talk).seat(visit)

        opening = [asyncio.ensure_future(open_some()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*opening)
        finally:
            for task in opening:
                task.cancel()

    async def _churn(self, cycles: int) -> None:
        """Open sockets and reset them, every second one before its hello."""
        turns = iter(range(cycles))

        async def open_some() -> None:
            for turn in turns:
                visit = Visit(self._orders.seats[turn % len(self._orders.seats)], self._talk, _nothing)
                try:
                    await (visit.arrive() if turn % 2 else visit.knock())
                finally:
                    visit.reset()

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(open_some())

    def _visit(self, seat: Seat) -> Visit:
        if not self._orders.refuge:
            return Visit(seat, self._talk, self._failed)
        if seat.port == self._orders.refuge:
            return Visit(seat, self._comeback, self._failed)
        visit = Visit(seat, self._comeback, lambda _: self._comeback.lost(visit))
        return visit

    def _failed(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_exception(VisitError(reason))


def _nothing(_: str) -> None:
    """Its end is our doing."""


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main(orders: Path, diary: Path) -> None:
    await Generator(msgspec.json.decode(orders.read_bytes(), type=Orders)).run(diary)


if __name__ == "__main__":
    try:
        uvloop.run(_main(Path(sys.argv[1]), Path(sys.argv[2])))
    except VisitError as failure:
        sys.exit(str(failure))
