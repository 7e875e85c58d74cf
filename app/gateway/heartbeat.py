"""One timer for all sockets of a process: pings, and an end to those that fell silent."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import structlog

from app.chat.wire import encode
from app.gateway.hub import Hub
from app.protocol.codes import PING_EVERY_S, SILENT_FOR_S, Close
from app.protocol.frames import Ping

log = structlog.get_logger()

_PING = encode(Ping())


@dataclass(slots=True, frozen=True)
class Pulse:
    """How often a socket is pinged (± 10 %), and after what silence it is closed. Seconds."""

    ping_every: float = PING_EVERY_S
    silent_for: float = SILENT_FOR_S


async def beat_forever(hub: Hub, pulse: Pulse) -> None:
    """Ping every socket again and again; close those that have been silent for too long."""
    while True:
        await asyncio.sleep(min(1, pulse.ping_every))
        try:
            _beat(hub, pulse, time.monotonic())
        except Exception:
            log.exception("heartbeat.failed")


def _beat(hub: Hub, pulse: Pulse, now: float) -> None:
    for connection in list(hub.connections):
        if connection.polled:
            continue
        if now - connection.heard_at > pulse.silent_for:
            connection.close(Close.NO_PONG)
        elif now >= connection.next_ping and connection.who is not None:
            if connection.next_ping:
                connection.push(_PING)
            # Spread: ten thousand sockets that came at once should not be pinged at once.
            connection.next_ping = now + pulse.ping_every * random.uniform(0.9, 1.1)
