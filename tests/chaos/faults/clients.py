"""Clients whose connection is cut, silent, slow, or loses what the server says. The servers are well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.chaos.faults import Field, fault


@fault("clients.reset", 0.2, 1)
async def reset(field: Field) -> AsyncIterator[None]:
    """Every client's connection is reset, twice."""
    for gateway in field.house.gateways:
        gateway.door.reset()
    yield
    for gateway in field.house.gateways:
        gateway.door.reset()


@fault("clients.half_open", 0.2, 1)
async def half_open(field: Field) -> AsyncIterator[None]:
    """Clients of one process vanish; the process does not hear of it and goes on writing to them."""
    field.some_gateway().door.half_open()
    yield


@fault("clients.slow", 2, 4)
async def slow(field: Field) -> AsyncIterator[None]:
    """Clients of one process have a line of 1 kB/s."""
    door = field.some_gateway().door
    door.change(bytes_per_s=1000, latency_s=0.1)
    try:
        yield
    finally:
        door.calm()


@fault("clients.black_hole", 2, 5)
async def black_hole(field: Field) -> AsyncIterator[None]:
    """Nothing passes between one process and its clients for a while."""
    door = field.some_gateway().door
    door.change(black_hole=True)
    try:
        yield
    finally:
        door.calm()


@fault("clients.reply_lost", 0.5, 2)
async def reply_lost(field: Field) -> AsyncIterator[None]:
    """What clients say arrives, what the servers answer does not; then the connections break."""
    for gateway in field.house.gateways:
        gateway.door.drop_replies()
    yield
    for gateway in field.house.gateways:
        gateway.door.reset()


@fault("clients.cut", 1, 2)
async def cut(field: Field) -> AsyncIterator[None]:
    """Connections break in the middle of a frame, again and again."""
    for _ in range(4):
        for gateway in field.house.gateways:
            gateway.door.cut_after(field.chance.randint(50, 3000), field.chance.choice(("up", "down")))
        await asyncio.sleep(0.4)
    yield
