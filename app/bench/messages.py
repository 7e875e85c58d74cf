"""`deskbell bench messages`: durable messages at offered rates, every one of them crossing between processes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.bench.driver import driver
from app.bench.exactness import Stored, compare
from app.bench.figures import MessagesFigures, MessagesRun, machine, spread
from app.bench.ground import Ground, ground
from app.bench.orders import Diary, Orders
from app.bench.scene import Connection, Scene, set_scene, strike_scene
from app.bench.schedule import place_of, text_of
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
        seconds: of one run.
        warm_s: seconds at the same rate before it.
        sockets: at least so many; visitors without a conversation fill up.
    """

    rates: Sequence[float]
    seconds: float
    warm_s: float
    conversations: int
    sockets: int


async def bench_messages(
    settings: Settings, plan: Plan, *, configured: bool, tell: Callable[[str], None]
) -> MessagesFigures:
    """Measure.

    Args:
        settings: of this environment.
        plan: what to measure.
        configured: against the configured servers instead of our own.
        tell: hears how far it is.

    Raises:
        BenchError, EmbeddedError: it cannot be done.
    """
    tell("starting Postgres, Redis and two server processes")
    async with ground(settings, configured=configured) as here:
        where = machine()
        runs: list[MessagesRun] = []
        sockets = 0
        for number, rate in enumerate(plan.rates):
            run, sockets = await _run(here, plan, rate, number, tell)
            runs.append(run)
    return MessagesFigures(where, plan.conversations, sockets, plan.seconds, runs)


async def _run(
    here: Ground, plan: Plan, rate: float, seed: int, tell: Callable[[str], None]
) -> tuple[MessagesRun, int]:
    scene = await set_scene(here.sql, here.settings.secret_key, here.ports, plan.conversations, plan.sockets)
    orders = Orders(
        seats=scene.seats,
        conversations=[str(conversation) for conversation in scene.conversations],
        rate=rate,
        warm_s=plan.warm_s,
        seconds=plan.seconds,
        seed=seed,
    )
    async with driver(orders, here.directory) as generator:
        tell(f"opening {len(scene.seats)} sockets")
        await generator.open(len(scene.seats))
        await asyncio.sleep(SETTLE_S)
        tell(f"offering {rate:g} messages/s for {plan.warm_s:g} + {plan.seconds:g} s")
        pids = here.pids | {"load": generator.pid}
        generator.speak()
        await generator.begun()
        before = cpu_of(pids)
        await generator.ended()
        after = cpu_of(pids)
        diary = await generator.quit()
    stored = await _stored(here.sql, scene)
    await strike_scene(here.sql, scene)
    used = {name: after[name] - before[name] for name in pids}
    return _figures(rate, diary, stored, used), len(scene.seats)


def _figures(rate: float, diary: Diary, stored: Stored, cpu_s: dict[str, float]) -> MessagesRun:
    exact = compare(diary.said, diary.heard, stored)
    count = len(diary.said) - diary.warm
    each = {name: round(cpu_s[name] / count * 1e6, 1) if name in cpu_s else None for name in (*SERVERS, "load")}
    return MessagesRun(
        offered_per_s=rate,
        acked_per_s=round(len(diary.ack_ms) / diary.busy_s, 1),
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


async def _stored(sql: Connection, scene: Scene) -> Stored:
    """Return what Postgres has. A message with other words than were sent counts as none of ours."""
    rows = await sql.fetch(
        "SELECT conversation_id, seq, m, body->>'text' AS words FROM message "
        "WHERE conversation_id = ANY ($1) AND lane = 0 ORDER BY conversation_id, seq",
        scene.conversations,
    )
    places = {conversation: place for place, conversation in enumerate(scene.conversations)}
    stored: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        m: UUID = row["m"]
        place = place_of(m)
        stored[places[row["conversation_id"]]].append((row["seq"], place if row["words"] == text_of(place) else -1))
    return stored
