"""Every metric that a page shows, defined once. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z95 = 1.959963984540054
"""The two-sided 95 % quantile of the normal distribution."""

METRICS = {
    "csat": (
        "Share of ratings that are 4 or 5, with the 95 % Wilson interval: where the true share most likely lies,"
        " given how few or many have answered."
    ),
    "response_rate": "Ratings given ÷ prompts shown, both within the same filter.",
    "queue_wait": "From the start of an episode to its first agent. Abandoned ones are counted apart, not dropped.",
    "announced_wait": (
        "Of the visitors who were told a range and were answered, in the last 30 days, the share whose wait lay in it."
        " Four of five should: fewer, and the range promises too much; more, and it says too little."
    ),
    "abandoned": "The visitor left, or was gone for 60 seconds, before an agent came.",
}
"""Metric → its definition in words, as the pages show it."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `n` with its 95 % interval, all between 0 and 1; None when nothing was counted."""

    hits: int
    n: int

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The Wilson score interval."""
        return wilson(self.hits, self.n)


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float] | None:
    """Return the Wilson score interval of a share, or None when `n` is 0.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927), pp. 209-212. Unlike the textbook interval it stays within 0 and 1, and is
    right for few answers and for shares near the ends.

    Args:
        hits: how many counted, 0 ≤ hits ≤ n.
        n: out of how many.
        z: the quantile; 1.96 for 95 %.
    """
    if n == 0:
        return None
    share = hits / n
    middle = share + z * z / (2 * n)
    reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)
