"""How much room a verdict gives to a machine that others use too."""

from __future__ import annotations

import os


def crowding() -> float:
    """Return how many times slower everything is because others want the machine too: 1 to 5."""
    return min(5.0, max(1.0, os.getloadavg()[0] / (2 * (os.cpu_count() or 1))))
