"""How much room a verdict gives to a machine that is slow, or that others use too."""

from __future__ import annotations

import os
import time
from functools import cache

MOST = 10.0
LOOPS = 200_000
USUAL_S = 0.009
"""What that many loops cost on the machine on which the limits were found (seconds of CPU)."""


def crowding() -> float:
    """Return how many times slower everything is than on a quiet machine of the usual kind: 1 to MOST."""
    shared = max(1.0, os.getloadavg()[0] / (2 * (os.cpu_count() or 1)))
    return min(MOST, shared * _slowness())


@cache
def _slowness() -> float:
    """Return how many times slower a core of this machine is, at least 1. Others who use it do not count."""
    best = min(_loops_s() for _ in range(5))
    return max(1.0, best / USUAL_S)


def _loops_s() -> float:
    began, total = time.process_time(), 0
    for number in range(LOOPS):
        total += number
    return time.process_time() - began
