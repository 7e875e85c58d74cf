"""I18: when everybody has left, nothing of them is left: no socket, no presence, no key, no growing heap of memory."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from app.infra.redis import keys_like
from tests.chaos.crowding import crowding
from tests.chaos.house import Gateway, House

WITHIN_S = 45.0
"""A process that died is buried after its lease; a half-open socket is given up after 40 s: a ping, and no answer."""
CONNECTIONS_A_PROCESS = 16
"""Of Postgres: the pool and its overflow, the lease's, the journal's, and one that is just being replaced."""
KNOWN_KEYS = ("epoch", "q:", "lanes:", "rules", "idle:", "agent:")
"""Of the index. Beside it there are the counters of limits."""
_OPEN = {"01", "08"}
"""TCP states: established, and closed by the other side only."""


async def left_behind(house: House) -> list[str]:
    """Return what is still there although everybody has left; looks until it is gone or WITHIN_S have passed."""
    deadline = time.monotonic() + WITHIN_S * crowding()
    while (left := await _left(house)) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    return left


async def _left(house: House) -> list[str]:
    left: list[str] = []
    for gateway in house.gateways:
        if sockets := open_sockets(gateway):
            left.append(f"process {gateway.name} holds {sockets} sockets")
    present, processes, backends = (
        await house.sql(
            "SELECT (SELECT count(*) FROM presence), (SELECT count(*) FROM gateway), "
            "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
        )
    )[0]
    if present:
        left.append(f"{present} people are present")
    if processes != len(house.gateways):
        left.append(f"{processes} processes have a lease")
    if backends > CONNECTIONS_A_PROCESS * len(house.gateways):
        left.append(f"Postgres has {backends} connections")
    async with house.redis() as redis:
        keys = await keys_like(redis, "*")
    known = (house.keys.limit(""), house.keys.turn(""), *(house.keys.index + name for name in KNOWN_KEYS))
    strange = [key for key in keys if not key.startswith(known)]
    if strange:
        left.append(f"Redis holds {strange[:5]}")
    return left


def open_sockets(gateway: Gateway) -> int:
    """Count the clients' connections that a server process holds."""
    port = f":{gateway.process.settings.port:04X}"
    lines = Path(f"/proc/{gateway.process.pid}/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines if (words := line.split())[1].endswith(port) and words[3] in _OPEN)


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
