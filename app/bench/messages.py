"""`deskbell bench messages`: durable messages, every one of them crossing between processes, beside the bare floor."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from app.bench import floor_scene
from app.bench.driver import driver
from app.bench.exactness import Stored, compare
from app.bench.figures import MessagesFigures, MessagesRun, machine, spread
from app.bench.ground import FLOOR, Ground, Pair, ground, pair
from app.bench.orders import Diary, Orders
from app.bench.scene import Connection, Scene, fill, set_scene, strike_scene
from app.bench.schedule import place_of, text_of
from app.bench.talk import MOST_IN_FLIGHT
from app.bench.usage import cpu_of
from app.settings import Settings

SETTLE_S = 1.0
"""After everybody has come, presence is still being told around."""
SERVERS = ("worker_a", "worker_b", "postgres", "redis")


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        rates: offered messages a second, one run each.
        seconds: of one such run.
        warm_s: seconds at the same load before each.
        conversations: in those runs.
        sockets: at least so many; visitors without a conversation fill up.
        shapes: of the saturation runs: conversations, and messages of each that are always in flight.
        saturation_s: of one such run.
        stored: messages in the database for a second round of them; 0: no such round.
    """

    rates: Sequence[float]
    seconds: float
    warm_s: float
    conversations: int
    sockets: int
    shapes: Sequence[tuple[int, int]]
    saturation_s: float
    stored: int


async def bench_messages(
    settings: Settings, plan: Plan, *, configured: bool, tell: Callable[[str], None]
) -> MessagesFigures:
    """Measure: each load on Deskbell, and at once after it on the floor.

    Args:
        settings: of this environment.
        plan: what to measure.
        configured: against the configured servers instead of our own.
        tell: hears how far it is.

    Raises:
        BenchError, EmbeddedError: it cannot be done.
    """
    tell("starting Postgres, Redis, two server processes and two of the floor")
    async with (
        ground(settings, configured=configured) as here,
        floor_scene.schema(here.sql),
        pair(here) as deskbell,
        pair(here, FLOOR) as floor,
    ):
        bench = _Bench(here, deskbell, floor)
        figures = MessagesFigures(machine(), plan.conversations, plan.sockets, plan.seconds, [], [])
        for seed, rate in enumerate(plan.rates):
            tell(f"offering {rate:g} messages/s for {plan.warm_s:g} + {plan.seconds:g} s, then to the floor")
            load = Orders([], [], rate=rate, warm_s=plan.warm_s, seconds=plan.seconds, seed=seed)
            run, figures.sockets = await bench.both(load, plan.conversations, plan.sockets)
            figures.runs.append(run)
        for stored in (0, plan.stored) if plan.stored else (0,):
            if stored:
                tell(f"storing {stored:,} messages")
                await fill(here.sql, stored)
                await floor_scene.fill(here.sql, stored)
            for conversations, in_flight in plan.shapes:
                shape = f"{conversations} × {in_flight} in flight, {stored:,} stored"
                tell(f"{shape}, for {plan.warm_s:g} + {plan.saturation_s:g} s; then the floor")
                load = Orders([], [], in_flight=in_flight, warm_s=plan.warm_s, seconds=plan.saturation_s)
                # The protocol lets one socket have so many: whoever wants more opens several windows.
                windows = -(-in_flight // (2 * MOST_IN_FLIGHT))
                run, _ = await bench.both(load, conversations, 0, windows)
                run.conversations, run.in_flight, run.stored = conversations, in_flight, stored
                figures.saturation.append(run)
    return figures


@dataclass(frozen=True)
class _Bench:
    """Both programs, at rest while the other is measured."""

    here: Ground
    deskbell: Pair
    floor: Pair

    async def both(self, load: Orders, conversations: int, sockets: int, windows: int = 1) -> tuple[MessagesRun, int]:
        """Return the figures of one load, and how many sockets there were."""
        here, ports = self.here, self.deskbell.ports
        scene = await set_scene(here.sql, here.settings.secret_key, ports, conversations, sockets, windows=windows)
        run = await _run(here, self.deskbell, scene, load, "message")
        await strike_scene(here.sql, scene)
        bare = await floor_scene.set_scene(here.sql, self.floor.ports, scene)
        run.floor = await _run(here, self.floor, bare, load, floor_scene.MESSAGES)
        return run, len(scene.seats)


async def _run(here: Ground, servers: Pair, scene: Scene, load: Orders, table: str) -> MessagesRun:
    orders = msgspec.structs.replace(
        load, seats=scene.seats, conversations=[str(conversation) for conversation in scene.conversations]
    )
    async with driver(orders, here.directory) as generator:
        await generator.open(len(scene.seats))
        await asyncio.sleep(SETTLE_S)
        pids = servers.pids | {"load": generator.pid}
        generator.speak()
        await generator.begun()
        before = cpu_of(pids)
        await generator.ended()
        after = cpu_of(pids)
        diary = await generator.quit()
    stored = await _stored(here.sql, scene, table)
    return _figures(load.rate, diary, stored, {name: after[name] - before[name] for name in pids})


def _figures(rate: float, diary: Diary, stored: Stored, cpu_s: dict[str, float]) -> MessagesRun:
    exact = compare(diary.said, diary.heard, stored)
    count = len(diary.said) - diary.warm
    each = {name: round(cpu_s[name] / count * 1e6, 1) if name in cpu_s else None for name in (*SERVERS, "load")}
    acked_per_s = round(len(diary.ack_ms) / diary.busy_s, 1)
    return MessagesRun(
        offered_per_s=rate or acked_per_s,
        acked_per_s=acked_per_s,
        messages=count,
        ack_ms=spread(diary.ack_ms),
        delivery_ms=spread(diary.delivery_ms),
        send_late_ms=spread(diary.late_ms),
        lost=exact.lost,
        doubled=exact.doubled,
        reordered=exact.reordered,
        undecided=sum(not message.s for message in diary.said),
        retried=diary.retried,
        cpu_us_per_message=each,
        server_cpu_us_per_message=round(sum(each[name] or 0 for name in SERVERS), 1),
    )


async def _stored(sql: Connection, scene: Scene, table: str) -> Stored:
    """Return what Postgres has of the public lanes. A message with other words than were sent is none of ours."""
    rows = await sql.fetch(
        f"SELECT conversation_id, seq, m, body->>'text' AS words FROM {table} "
        "WHERE conversation_id = ANY ($1) ORDER BY conversation_id, seq",
        scene.conversations,
    )
    places = {conversation: place for place, conversation in enumerate(scene.conversations)}
    stored: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        m: UUID = row["m"]
        place = place_of(m)
        stored[places[row["conversation_id"]]].append((row["seq"], place if row["words"] == text_of(place) else -1))
    return stored
