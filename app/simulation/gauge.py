"""What a visitor would have been told: the inputs of the estimate, gathered as `app/routing/line_flow.py` reads them.

The estimate itself is `app/routing/wait.py`. Pure.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict, deque
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from app.routing.wait import FEWEST_CHATS, LATEST_CHATS, Estimate, estimates, flow
from app.simulation.arrivals import DAY_S


@dataclass(frozen=True, slots=True)
class Announced:
    """What was told when a visitor got in line.

    Attributes:
        usual_s: the common formula: place in line × mean length of a chat ÷ chats that the agents can have at once.
    """

    estimate: Estimate
    usual_s: float


class Gauge:
    """Watches one team."""

    def __init__(self) -> None:
        self._lengths: deque[float] = deque(maxlen=LATEST_CHATS)
        self._assigned: defaultdict[str, list[float]] = defaultdict(list)
        self._lately: deque[tuple[float, bool, float]] = deque()
        self._gave_up = 0
        self._waited_s = 0.0

    def assigned(self, lane: str, now_s: float) -> None:
        """Somebody of a lane got an agent."""
        self._assigned[lane].append(now_s)

    def finished(self, now_s: float, waited_s: float, length_s: float | None) -> None:
        """Somebody has gone, after a chat of that length, or without one."""
        if length_s is not None:
            self._lengths.append(length_s)
        self._lately.append((now_s, length_s is None, waited_s))
        self._gave_up += length_s is None
        self._waited_s += waited_s

    def announced(self, lane: str, place: int, slots: int, since_s: float, now_s: float) -> Announced | None:
        """Return what is told, or None while too little is known.

        Args:
            place: the visitor's place in the lane; 1 is next.
            slots: chats that the agents of the lane can have at once.
            since_s: when the one who waits longest in the lane came.
        """
        self._forget(now_s - DAY_S)
        if len(self._lengths) < FEWEST_CHATS:
            return None
        handle_s = fmean(self._lengths)
        seen = self._assigned[lane]
        moves = flow(
            slots=slots,
            handle_s=handle_s,
            assigned=len(seen) - bisect_right(seen, since_s),
            over_s=now_s - since_s,
            gave_up=self._gave_up,
            waited_s=self._waited_s,
            handle_sd_s=math.sqrt(fmean((length - handle_s) ** 2 for length in self._lengths)),
            chats=len(self._lengths),
        )
        if moves is None:
            return None
        return Announced(next(islice(estimates(moves), place - 1, None)), place * handle_s / slots)

    def _forget(self, before_s: float) -> None:
        while self._lately and self._lately[0][0] < before_s:
            _, gave_up, waited_s = self._lately.popleft()
            self._gave_up -= gave_up
            self._waited_s -= waited_s
