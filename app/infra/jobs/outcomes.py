"""What can come of a job, and how long to wait before the next attempt. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_ATTEMPTS = 24
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Again:
    """There is more to do: come back in `after_s` seconds. Counts as no failure."""

    after_s: float


class GiveUp(Exception):
    """It can never succeed; the message says why. The job is kept as failed, and not tried again by itself."""


def pause_after(attempt: int, chance: Callable[[], float]) -> float:
    """Return the seconds to wait after a failed attempt: doubled each time up to an hour, half of it left to chance.

    All attempts together take about ten hours: longer than a mail server is away on a bad night.

    Args:
        attempt: 1 for the first.
        chance: gives numbers between 0 and 1.
    """
    whole = min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
    return whole * (0.5 + chance() / 2)
