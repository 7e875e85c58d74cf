"""How long a visitor still waits: an estimate with an honest range. Pure.

With k ahead, the place is reached after k + 1 departures from the line. While i are still ahead the line loses
r + i·θ a second: r by assignments, θ by each waiting visitor's giving up (the Erlang-A model: C. Palm, "Research on
telephone traffic carried by full availability groups", 1957). So the wait has mean Σ 1/(r + iθ) and variance
Σ 1/(r + iθ)², i = 0 … k, and is told as the middle 80 % of the gamma distribution with that mean and variance.

Two things correct the variance. Many agents' chats end like chance events at first, but over more than the length of a
chat as evenly, or unevenly, as these lengths are (superposed renewal processes: D. R. Cox, "Renewal Theory", 1962,
chapter 6): over a mean T it is multiplied by c² + (1 - c²)·h/(h + T), h being the mean length and c its coefficient of
variation; the passage from 1 to c² is ours, found by simulation. And what is expected of the agents is known from some
chats only: the more of the rate is expectation and the fewer chats, the wider the range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

PRIOR_S = 600.0
"""What is expected of the agents weighs as much as this many seconds of what was seen."""
FEWEST_CHATS = 5
"""Answered chats without which a length is no more than a guess."""
LATEST_CHATS = 50
"""The chats whose mean length counts: those that ended last."""
GUESSED_CHATS = 10
"""How differently long chats are is guessed with the weight of so many."""
STEPS_S = tuple(60 * minutes for minutes in (0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120))
"""The waits that are said; nobody is told seconds."""
_Z80 = 1.2815515655446004
"""The 90 % quantile of the normal distribution: 80 % lie between it and its negative."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How a line moves.

    Attributes:
        rate: assignments a second.
        loss: visitors giving up, for each that waits, a second.
        handle_s: mean length of a chat, in seconds.
        unevenness: the squared coefficient of variation of these lengths; 1 is that of chance.
        doubt: the squared relative error of the rate.
    """

    rate: float
    loss: float
    handle_s: float = 0.0
    unevenness: float = 1.0
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds: what to expect, and between what the wait lies four times out of five."""

    mean_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """What a visitor was told: steps of STEPS_S, and when the later one last rose (seconds of any clock)."""

    low: int
    high: int
    rose_at_s: float

    @property
    def seconds(self) -> tuple[int, int]:
        return STEPS_S[self.low], STEPS_S[self.high]


def flow(
    *,
    slots: int,
    handle_s: float,
    assigned: int,
    over_s: float,
    gave_up: int,
    waited_s: float,
    handle_sd_s: float = 0.0,
    chats: int = 0,
) -> Flow | None:
    """Return how a line moves, or None when nobody serves it.

    Args:
        slots: chats that the agents who accept can have at once.
        handle_s: mean length of a chat, in seconds.
        assigned: assignments seen while somebody waited all the time.
        over_s: how long that has been.
        gave_up: visitors who left unserved lately.
        waited_s: all visitors' waiting in that time, in seconds.
        handle_sd_s: standard deviation of the chats' lengths, in seconds.
        chats: how many chats the lengths are of; 0 takes them for exponential, and their mean for certain.
    """
    if slots <= 0 or handle_s <= 0:
        return None
    expected = slots / handle_s * PRIOR_S
    seen = assigned + expected
    # A few chats tell little of how they differ: to begin with, they differ as by chance.
    unevenness = ((handle_sd_s / handle_s) ** 2 * chats + GUESSED_CHATS) / (chats + GUESSED_CHATS)
    return Flow(
        rate=seen / (over_s + PRIOR_S),
        loss=gave_up / waited_s if waited_s > 0 else 0.0,
        handle_s=handle_s,
        unevenness=unevenness,
        doubt=(expected / seen) ** 2 * unevenness / chats if chats else 0.0,
    )


def estimates(moves: Flow) -> Iterator[Estimate]:
    """Yield the estimate for nobody ahead, one ahead, two ahead, …"""
    mean = by_chance = 0.0
    for ahead in count():
        gap = 1 / (moves.rate + ahead * moves.loss)
        mean += gap
        by_chance += gap * gap
        uneven = moves.unevenness + (1 - moves.unevenness) * moves.handle_s / (moves.handle_s + mean)
        variance = by_chance * uneven + moves.doubt * mean * mean
        shape, scale = mean * mean / variance, variance / mean
        yield Estimate(mean, _gamma(shape, scale, -_Z80), _gamma(shape, scale, _Z80))


def told(estimate: Estimate, before: Told | None, now_s: float) -> Told:
    """Return what to say, rounded outwards, and steady: the later bound rises by at most a step a minute."""
    last = len(STEPS_S) - 1
    low = max((i for i, step in enumerate(STEPS_S) if step <= estimate.low_s), default=0)
    high = min((i for i, step in enumerate(STEPS_S) if step >= estimate.high_s), default=last)
    high = max(high, 1)
    if before is None:
        return Told(min(low, high - 1), high, now_s)
    if high > before.high:
        high = before.high + (now_s - before.rose_at_s >= 60)
    return Told(min(low, high - 1), high, now_s if high > before.high else before.rose_at_s)


def _gamma(shape: float, scale: float, z: float) -> float:
    """Return a quantile of the gamma distribution, by the cube-root approximation.

    E. B. Wilson and M. M. Hilferty, "The distribution of chi-square", PNAS 17 (1931), pp. 684-688.
    """
    ninth = 1 / (9 * shape)
    return shape * scale * max(0.0, 1 - ninth + z * ninth**0.5) ** 3
