"""One timer for all sockets of a process: pings, and an end to those that do not answer."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import structlog

from app.chat.wire import encode
from app.gateway.connection import Connection
from app.gateway.hub import Hub
from app.gateway.people import Guest
from app.protocol.codes import (
    IDLE_PING_EVERY_S,
    LONGEST_SPREAD_MS,
    PING_EVERY_S,
    PONG_WITHIN_S,
    SPREAD_MS_PER_SOCKET,
    Close,
)
from app.protocol.frames import Ping

log = structlog.get_logger()

CHANCE = 0.1
"""Pings come so much, as a share, sooner or later: ten thousand sockets that came at once are not pinged at once."""
LOOK_EVERY_S = 5.0
"""Between two looks at a socket. Ten thousand a second would take a third as long as their pings do."""


@dataclass(slots=True, frozen=True)
class Pulse:
    """How often a socket is pinged (± 10 %), and how soon it must answer. Seconds.

    Attributes:
        ping_every: with somebody whom others wait for.
        idle_every: with a visitor who has no open conversation: nobody needs to know soon that they have gone.
        pong_within: after a ping; any frame will do.
    """

    ping_every: float = PING_EVERY_S
    idle_every: float = IDLE_PING_EVERY_S
    pong_within: float = PONG_WITHIN_S


async def beat_forever(hub: Hub, pulse: Pulse) -> None:
    """Ping every socket again and again; close those that do not answer."""
    while True:
        await asyncio.sleep(min(1, pulse.ping_every))
        try:
            _beat(hub, pulse, time.monotonic())
        except Exception:
            log.exception("heartbeat.failed")


def _beat(hub: Hub, pulse: Pulse, now: float) -> None:
    pause = min(LOOK_EVERY_S, pulse.ping_every)
    ping = encode(Ping(spread_ms=min(LONGEST_SPREAD_MS, SPREAD_MS_PER_SOCKET * len(hub.connections))))
    for connection in list(hub.connections):
        if now < connection.next_look or connection.polled or connection.who is None:
            continue
        every = pulse.idle_every if _idle(connection) else pulse.ping_every
        if connection.pinged_at > connection.heard_at:
            if now - connection.pinged_at > pulse.pong_within:
                connection.close(Close.NO_PONG)
        elif not connection.next_ping:
            connection.next_ping = now + _about(every)
        # Somebody who was idle is not any more: the next ping may lie further off than it should.
        elif now >= connection.next_ping or connection.next_ping - now > every * (1 + CHANCE):
            connection.push(ping)
            connection.pinged_at = now
            connection.next_ping = now + _about(every)
        connection.next_look = min(now + pause, connection.next_ping)


def _idle(connection: Connection) -> bool:
    return isinstance(connection.who, Guest) and connection.who.state == "closed"


def _about(seconds: float) -> float:
    return seconds * random.uniform(1 - CHANCE, 1 + CHANCE)
