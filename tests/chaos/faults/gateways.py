"""Server processes that die, sleep, and leave."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.chaos.faults import Field, fault


@fault("gateway.kill", 0.5, 3)
async def kill(field: Field) -> AsyncIterator[None]:
    """A server process is killed with SIGKILL, and started again."""
    gateway = field.some_gateway()
    await gateway.kill()
    try:
        yield
    finally:
        await gateway.start()
