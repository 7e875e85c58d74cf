"""Somebody who does not care what the server answers: says more than may be said, and comes back when sent away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

from app.bench.orders import Flooded, Seat
from app.bench.schedule import id_of, text_of
from app.bench.visit import Frame, Visit, VisitError

TICK_S = 0.01
REST_S = 0.2
"""Between being sent away and coming back."""


class _Window:
    """One of their sockets."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.visit: Visit | None = None
        self.coming: asyncio.Task[None] | None = None


class Flood:
    """One visitor's windows.

    Args:
        seats: a window each, all in one conversation.
        conversation: its id.
    """

    def __init__(self, seats: Sequence[Seat], conversation: str) -> None:
        self._windows = [_Window(seat) for seat in seats]
        self._conversation = conversation.encode()
        self._made_at_ms = time.time_ns() // 1_000_000
        self._seen = Flooded()
        self._over = False

    def stop(self) -> None:
        """Enough."""
        self._over = True

    async def run(self, per_s: float) -> Flooded:
        """Say `per_s` messages a second, whatever comes of it, until stopped; return what was seen."""
        began = time.perf_counter()
        due = 0.0
        while not self._over:
            passed = time.perf_counter() - began
            open_windows = [window.visit for window in self._windows if window.visit is not None]
            for window in self._windows:
                if window.visit is None and window.coming is None:
                    window.coming = asyncio.create_task(self._come(window))
            # What could not be said while no window was open is not made up for.
            due = max(due, (passed - TICK_S) * per_s)
            while open_windows and due < passed * per_s:
                self._say(open_windows[self._seen.sent % len(open_windows)])
                due += 1
            await asyncio.sleep(TICK_S)
        for window in self._windows:
            if window.coming is not None:
                window.coming.cancel()
            if window.visit is not None:
                window.visit.close()
        return self._seen

    async def _come(self, window: _Window) -> None:
        def lost(_: str) -> None:
            if window.visit is visit:
                window.visit = None
                self._seen.sent_away += 1

        visit = Visit(window.seat, self, lost)
        with contextlib.suppress(VisitError):
            await visit.arrive()
            window.visit = visit
        if window.visit is None:
            visit.close()
        await asyncio.sleep(REST_S)
        window.coming = None

    def _say(self, visit: Visit) -> None:
        place = self._seen.sent
        self._seen.sent += 1
        visit.command(
            b'"c":"%b","m":"%b","body":{"text":"%b"}}'
            % (self._conversation, str(id_of(place, self._made_at_ms)).encode(), text_of(place).encode())
        )

    def answered(self, visit: Visit, frame: Frame) -> None:
        """An `ok` or `err` came."""
        if frame.t == "ok":
            self._seen.taken += 1
        else:
            self._seen.refused += 1

    def heard(self, visit: Visit, frame: Frame) -> None:
        """Nobody listens."""
