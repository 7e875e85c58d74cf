"""One timer for all sockets of a process: pings, and an end to those that fell silent."""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from app.chat.wire import encode
from app.gateway.hub import Hub
from app.protocol.codes import PING_EVERY_S, SILENT_FOR_S, Close
from app.protocol.frames import Ping

log = structlog.get_logger()

_PING = encode(Ping())


async def beat_forever(hub: Hub) -> None:
    """Ping every socket each PING_EVERY_S ± 10 %; close what has been silent for SILENT_FOR_S."""
    while True:
        await asyncio.sleep(1)
        try:
            _beat(hub, time.monotonic())
        except Exception:
            log.exception("heartbeat.failed")


def _beat(hub: Hub, now: float) -> None:
    for connection in list(hub.connections):
        if connection.polled:
            continue
        if now - connection.heard_at > SILENT_FOR_S:
            connection.close(Close.NO_PONG)
        elif now >= connection.next_ping and connection.who is not None:
            if connection.next_ping:
                connection.push(_PING)
            # Spread: ten thousand sockets that came at once should not be pinged at once.
            connection.next_ping = now + PING_EVERY_S * random.uniform(0.9, 1.1)
