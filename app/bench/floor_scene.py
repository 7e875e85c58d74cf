"""The floor's rows and seats: the same people and conversations as Deskbell's, in tables of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from app.bench.orders import Seat
from app.bench.scene import EACH, Connection, Scene
from app.ids import uuid7

MESSAGES = "bench_floor.message"
_SCHEMA = Path(__file__).with_name("floor.sql")
_FILL = """
WITH old AS MATERIALIZED (SELECT gen_random_uuid() AS id FROM generate_series(1, $1::int)), threads AS (
    INSERT INTO bench_floor.conversation SELECT id, $2::int FROM old
)
INSERT INTO bench_floor.message
SELECT id, s, gen_random_uuid(), id, now(),
       jsonb_build_object('text', 'Is the blue one still to be had in size ' || s || ', and when would it come?')
FROM old CROSS JOIN generate_series(1, $2::int) s
"""


@asynccontextmanager
async def schema(connection: Connection) -> AsyncGenerator[None]:
    """Make the floor's tables; drop them at the end."""
    await connection.execute(_SCHEMA.read_text(encoding="utf-8"))
    try:
        yield
    finally:
        await connection.execute("DROP SCHEMA IF EXISTS bench_floor CASCADE")


async def set_scene(connection: Connection, ports: tuple[int, int], like: Scene) -> Scene:
    """Make conversations and seats like those of another scene. A token says who it is and in which conversations."""
    await connection.copy_records_to_table(
        "conversation", schema_name="bench_floor", columns=["id"], records=[(thread,) for thread in like.conversations]
    )
    first = like.seats[0].port
    seats = [
        Seat(
            ports[0] if seat.port == first else ports[1],
            " ".join([str(uuid7()), *(str(like.conversations[place]) for place in seat.conversations)]),
            seat.side,
            seat.conversations,
        )
        for seat in like.seats
    ]
    return Scene(like.conversations, seats)


async def fill(connection: Connection, messages: int) -> None:
    """Store so many messages, as `app.bench.scene.fill` does for Deskbell."""
    await connection.execute(_FILL, messages // EACH, EACH)
    await connection.execute("VACUUM ANALYZE bench_floor.message, bench_floor.conversation")
