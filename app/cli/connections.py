"""The TCP connections of one server process: how many there may be, and who makes room when there are too many."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.infra.headcount import Headcount

SLACK = 64
"""Connections beyond the limit that live long enough to be told so."""


@dataclass(slots=True, eq=False)
class Place:
    """One connection's place among the others.

    Attributes:
        refusal: the status and code that its first request is answered with; None when it is welcome.
    """

    transport: asyncio.Transport
    name: str | None
    refusal: tuple[int, str] | None = None


class Connections:
    """Counts connections, all together and by address.

    Those without a request (it has not come yet, or is answered) make room for others, the oldest first: a crowd that
    only holds connections open keeps nobody out.

    Args:
        most: of all together.
        addresses: counts them by address.
    """

    def __init__(self, most: int, addresses: Headcount) -> None:
        self._most = most
        self._addresses = addresses
        self._all: set[Place] = set()
        self._idle: dict[Place, None] = {}

    def enter(self, transport: asyncio.Transport, address: str) -> Place | None:
        """Take a new connection in. Returns None when there is not even room to say no."""
        name = self._addresses.name(address)
        if len(self._all) >= self._most + SLACK:
            return None
        place = Place(transport, name)
        if not self._addresses.enter(name):
            place.name, place.refusal = None, (429, "rate_limited")
        elif len(self._all) >= self._most and not self._make_room():
            place.refusal = (503, "unavailable")
        self._all.add(place)
        if place.refusal is None:
            self._idle[place] = None
        return place

    def idle(self, place: Place) -> None:
        """It waits for a request."""
        if place in self._all and place.refusal is None:
            self._idle[place] = None

    def busy(self, place: Place) -> None:
        """It has a request, or has become a WebSocket."""
        self._idle.pop(place, None)

    def leave(self, place: Place) -> None:
        """It is gone. May be said twice."""
        self._idle.pop(place, None)
        if place in self._all:
            self._all.discard(place)
            self._addresses.leave(place.name)

    def _make_room(self) -> bool:
        for oldest in self._idle:
            self.leave(oldest)
            oldest.transport.abort()
            return True
        return False
