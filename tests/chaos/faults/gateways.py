"""Server processes that die, sleep, and leave."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

from tests.chaos.crowd import a_crowd
from tests.chaos.faults import Field, fault

SENT_AWAY_OVER_S = 8.0
"""A process with many sockets that leaves sends them away over so many seconds."""
CROWD = 80


@fault("gateway.kill", 0.5, 3)
async def kill(field: Field) -> AsyncIterator[None]:
    """A server process is killed with SIGKILL, and started again."""
    gateway = field.some_gateway()
    await gateway.kill()
    try:
        yield
    finally:
        await gateway.start()


@fault("gateway.sleep", 11, 13)
async def sleep(field: Field) -> AsyncIterator[None]:
    """A server process is stopped for longer than its lease; half of its clients go elsewhere; it wakes up."""
    gateway = field.some_gateway()
    gateway.process.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(1)
        for pair in list(gateway.door.pairs):
            if field.chance.random() < 0.5:
                pair.reset()
        yield
    finally:
        gateway.process.send(signal.SIGCONT)


@fault("gateway.leave", 0, 0)
async def leave(field: Field) -> AsyncIterator[None]:
    """A server process with a crowd on it leaves (SIGTERM), spreads them, and is started again."""
    gateway = field.some_gateway()
    async with a_crowd(field.house, field.scene, CROWD, field.chance, gateway.door.address) as crowd:  # type: ignore[arg-type]
        try:
            await gateway.process.stop()
            yield
        finally:
            await gateway.start()
        told = [looker.told_to_wait_s[0] for looker in crowd if looker.told_to_wait_s]
        if len(told) < CROWD // 2:
            field.scene.ledger.anomaly("spread", f"only {len(told)} of {CROWD} were told to come back later")
        elif max(told) - min(told) < 0.8 * SENT_AWAY_OVER_S:
            words = f"{len(told)} were told to come back within {max(told) - min(told):.1f} s"
            field.scene.ledger.anomaly("spread", f"{words} of {SENT_AWAY_OVER_S:.0f}")


@fault("gateway.deploy", 0, 0)
async def deploy(field: Field) -> AsyncIterator[None]:
    """Every server process is replaced, one after the other."""
    for gateway in field.house.gateways:
        await gateway.process.stop()
        await gateway.start()
    yield
