"""The metrics' formulas."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports.dictionary import METRICS, Share, wilson

DOCUMENTED = re.findall(
    r"^\| `(\w+)` \|", (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8"), re.M
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Computed independently (R: binom::binom.wilson).
        (0, 1, 0.0, 0.7934567),
        (1, 1, 0.2065433, 1.0),
        (5, 10, 0.2365931, 0.7634069),
        (8, 10, 0.4901625, 0.9433178),
        (0, 10, 0.0, 0.2775328),
        (45, 50, 0.7863997, 0.9565225),
        (500, 1000, 0.4690696, 0.5309304),
    ],
)
def test_known_intervals(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_every_metric_is_documented() -> None:
    assert list(METRICS) == DOCUMENTED


def test_five_of_five_is_not_certainty() -> None:
    assert wilson(5, 5) == pytest.approx((0.5655, 1.0), abs=1e-3)


def test_of_nothing_there_is_neither_share_nor_interval() -> None:
    assert Share(0, 0).value is None
    assert Share(0, 0).interval is None


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_stays_within_bounds(counted: tuple[int, int]) -> None:
    hits, n = counted
    interval = wilson(hits, n)
    assert interval
    low, high = interval
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1


@given(st.integers(1, 500), st.integers(1, 500))
def test_more_answers_make_a_narrower_interval(hits: int, more: int) -> None:
    few, many = wilson(hits, 2 * hits), wilson(hits + more, 2 * (hits + more))
    assert few
    assert many
    assert many[1] - many[0] < few[1] - few[0]
