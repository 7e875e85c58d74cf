"""`deskbell bench fairness`: ordinary conversations, alone and beside people who flood, in turns on the same servers.

Two flood: a pair that always has as many messages on its way as the protocol lets, at several windows, and waits when
it is told to; and a visitor who says far more than may be said, whatever the server answers, and comes back at once
when sent away. The limits are those of this environment's settings: they are part of what is measured.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.bench.driver import driver
from app.bench.figures import Beside, FairnessFigures, machine, p95
from app.bench.ground import Ground, Pair, ground, pair
from app.bench.orders import Diary, Flooded, Orders
from app.bench.scene import Scene, set_scene, strike_scene
from app.bench.talk import MOST_IN_FLIGHT
from app.settings import Settings

WINDOWS = 4
"""Sockets of each who floods."""
RECKLESS_PER_S = 1000
"""Messages of the one who does not care: as many as a generator can say without taking the machine for itself."""
SETTLE_S = 1.0
WARM_S = 1.0
FOR_EVER_S = 3600.0


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        conversations: of the others.
        rate: messages a second that they say together.
        seconds: of one turn.
        turns: of each kind.
    """

    conversations: int
    rate: float
    seconds: float
    turns: int


@dataclass
class _Seen:
    delivery_ms: list[float] = field(default_factory=list[float])
    ack_ms: list[float] = field(default_factory=list[float])
    lost: int = 0

    def add(self, diary: Diary) -> None:
        measured = len(diary.said) - diary.warm
        self.delivery_ms += diary.delivery_ms
        self.ack_ms += diary.ack_ms
        self.lost += 2 * measured - len(diary.delivery_ms) - len(diary.ack_ms)


async def bench_fairness(
    settings: Settings, plan: Plan, *, configured: bool, tell: Callable[[str], None]
) -> FairnessFigures:
    """Measure both kinds of turns.

    Args:
        settings: of this environment; its limits hold.
        plan: what to measure.
        configured: against the configured servers instead of our own.
        tell: hears how far it is.

    Raises:
        BenchError, EmbeddedError: it cannot be done.
    """
    tell("starting Postgres, Redis and two server processes")
    async with ground(settings, configured=configured) as free:
        here = dataclasses.replace(
            free,
            settings=free.settings.replaced(visitor_messages_per_minute=settings.visitor_messages_per_minute),
        )
        async with pair(here) as servers:
            alone, beside, flood = _Seen(), _Seen(), _Flood(here, servers)
            for turn in range(plan.turns):
                tell(f"turn {turn + 1} of {plan.turns}: {plan.seconds:g} s alone, {plan.seconds:g} s beside the flood")
                alone.add(await _others(here, servers, plan, 2 * turn))
                async with flood.going_on():
                    beside.add(await _others(here, servers, plan, 2 * turn + 1))
    before, after = p95(alone.delivery_ms), p95(beside.delivery_ms)
    return FairnessFigures(
        machine=machine(),
        conversations=plan.conversations,
        offered_per_s=plan.rate,
        seconds=plan.seconds * plan.turns,
        others_p95_ms=Beside(before, after),
        others_ack_p95_ms=Beside(p95(alone.ack_ms), p95(beside.ack_ms)),
        ratio=round(after / before, 2) if before else 0.0,
        others_lost=alone.lost + beside.lost,
        keen=flood.keen,
        reckless=flood.reckless,
    )


async def _others(here: Ground, servers: Pair, plan: Plan, seed: int) -> Diary:
    """Let the ordinary conversations talk for one turn."""
    async with _scene(here, servers, plan.conversations) as scene:
        orders = _orders(scene, Orders([], [], rate=plan.rate, warm_s=WARM_S, seconds=plan.seconds, seed=seed))
        async with driver(orders, here.directory) as generator:
            await generator.open(len(orders.seats))
            await asyncio.sleep(SETTLE_S)
            generator.speak()
            await generator.begun()
            await generator.ended()
            return await generator.quit()


class _Flood:
    """Both who flood.

    Attributes:
        keen: messages of the keen pair that were stored.
        reckless: what the other saw.
    """

    def __init__(self, here: Ground, servers: Pair) -> None:
        self._here = here
        self._servers = servers
        self.keen = 0
        self.reckless = Flooded()

    @asynccontextmanager
    async def going_on(self) -> AsyncGenerator[None]:
        """Let them flood while the context is open."""
        here, servers = self._here, self._servers
        async with _scene(here, servers, 1, WINDOWS) as keen, _scene(here, servers, 1, WINDOWS) as reckless:
            rude = _orders(reckless, Orders([], []))
            rude.seats = [seat for seat in rude.seats if seat.side == "visitor"]
            polite = _orders(keen, Orders([], [], in_flight=2 * WINDOWS * MOST_IN_FLIGHT, seconds=FOR_EVER_S))
            async with (
                driver(polite, _place(here, "keen")) as pair_of_people,
                driver(rude, _place(here, "rude")) as one,
            ):
                await pair_of_people.open(len(polite.seats))
                pair_of_people.speak()
                one.flood(RECKLESS_PER_S)
                yield
                seen = await one.flooded()
            stored: int = await here.sql.fetchval(
                "SELECT count(*) FROM message WHERE conversation_id = $1", keen.conversations[0]
            )
            self.keen += stored
        for name in seen.__struct_fields__:
            setattr(self.reckless, name, getattr(self.reckless, name) + getattr(seen, name))


@asynccontextmanager
async def _scene(here: Ground, servers: Pair, conversations: int, windows: int = 1) -> AsyncGenerator[Scene]:
    scene = await set_scene(here.sql, here.settings.secret_key, servers.ports, conversations, 0, windows)
    try:
        yield scene
    finally:
        await strike_scene(here.sql, scene)


def _orders(scene: Scene, orders: Orders) -> Orders:
    orders.seats, orders.conversations = scene.seats, [str(conversation) for conversation in scene.conversations]
    return orders


def _place(here: Ground, name: str) -> Path:
    """Generators that run at the same time write to places of their own."""
    place = here.directory / name
    place.mkdir(exist_ok=True)
    return place
