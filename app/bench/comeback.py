"""Visitors whose server process dies: they come back elsewhere, each after a random wait, and miss nothing.

Their agents, on the other process, go on writing meanwhile: one message in each conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

from app.bench.orders import Orders, Return, Seat
from app.bench.schedule import id_of, text_of
from app.bench.visit import Frame, Visit, VisitError

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
"""docs/protocol.md, Reconnecting: at most min(30 s, 0.5 s × 2^attempt), or what the last ping said."""
AT_ONCE_S = 2.0
"""Over which the agents write."""
PATIENCE_S = 120.0


class Comeback:
    """All of them. A listener of their visits."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._places = {c: place for place, c in enumerate(orders.conversations)}
        self._agents: dict[int, Visit] = {}
        self._heard = [0] * len(orders.conversations)
        self._missing = len(orders.conversations)
        self._unacked = len(orders.conversations)
        self._killed_at = 0.0
        self._tried_at: list[float] = []
        self._handshake_ms: list[float] = []
        self._refused = 0
        self._whole = asyncio.Event()
        self._coming: set[asyncio.Task[None]] = set()

    def seat(self, visit: Visit) -> None:
        """Somebody is here."""
        if visit.seat.side == "agent":
            for place in visit.seat.conversations:
                self._agents[place] = visit

    def lost(self, visit: Visit) -> None:
        """The server ended a socket: its visitor goes to the other process."""
        task = asyncio.create_task(self._come_back(visit))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def run(self) -> Return:
        """Write as the agents until everybody has everything, or PATIENCE_S have passed."""
        self._killed_at = time.perf_counter()
        began = time.time_ns() // 1_000_000
        for place, conversation in enumerate(self._orders.conversations):
            due = self._killed_at + AT_ONCE_S * place / len(self._orders.conversations)
            if due > time.perf_counter():
                await asyncio.sleep(due - time.perf_counter())
            self._agents[place].command(
                b'"c":"%b","m":"%b","body":{"text":"%b"}}'
                % (conversation.encode(), str(id_of(place, began)).encode(), text_of(place).encode())
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._whole.wait(), PATIENCE_S)
        return Return(
            spread_s=max(self._tried_at) - min(self._tried_at) if self._tried_at else 0,
            handshake_ms=self._handshake_ms,
            refused=self._refused,
            caught_up_s=time.perf_counter() - self._killed_at,
            missing=self._missing,
            doubled=sum(max(0, times - 1) for times in self._heard),
            unacknowledged=self._unacked,
        )

    def answered(self, visit: Visit, frame: Frame) -> None:
        """An `ok` or `err` came for an agent's message."""
        if frame.t == "ok":
            self._unacked -= 1
            self._look()

    def heard(self, visit: Visit, frame: Frame) -> None:
        """A message came."""
        if visit.seat.side == "visitor":
            place = self._places[frame.c]
            self._heard[place] += 1
            if self._heard[place] == 1:
                self._missing -= 1
                self._look()

    async def _come_back(self, left: Visit) -> None:
        longest = max(FIRST_WAIT_S, left.spread_s)
        while True:
            await asyncio.sleep(random.uniform(0, longest))
            longest = min(LONGEST_WAIT_S, 2 * longest)
            began = time.perf_counter()
            self._tried_at.append(began)
            visit = self._again(left)
            try:
                await visit.arrive()
            except (VisitError, ConnectionError):
                self._refused += 1
                visit.close()
                continue
            self._handshake_ms.append((time.perf_counter() - began) * 1000)
            self._look()
            return

    def _again(self, left: Visit) -> Visit:
        seat = left.seat
        elsewhere = Seat(self._orders.refuge, seat.token, seat.side, seat.conversations)
        visit: Visit = Visit(elsewhere, self, lambda _: self.lost(visit), self._have(seat))
        visit.spread_s = left.spread_s
        return visit

    def _have(self, seat: Seat) -> dict[str, dict[str, int]]:
        """Where they stand: what was heard before the loss."""
        return {self._orders.conversations[place]: {"public": self._heard[place]} for place in seat.conversations}

    def _look(self) -> None:
        if not (self._missing or self._unacked or self._coming - {asyncio.current_task()}):
            self._whole.set()
