"""How fast one may go: a bucket that fills steadily and never holds more than its burst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.throttle import Bucket

PER_S, BURST = 2.0, 5.0


def test_a_burst_passes_and_the_next_one_waits_for_its_token() -> None:
    bucket = Bucket(PER_S, BURST)
    assert [bucket.take(100.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(100.0) == pytest.approx(0.5)
    assert bucket.take(100.2) == pytest.approx(0.3)
    assert bucket.take(100.5) == 0.0


def test_a_long_rest_earns_no_more_than_the_burst() -> None:
    bucket = Bucket(PER_S, BURST)
    bucket.take(0.0)
    assert [bucket.take(10_000.0) == 0.0 for _ in range(6)] == [True] * 5 + [False]


@given(st.lists(st.floats(0, 3), max_size=80))
def test_nobody_gets_more_than_rate_and_burst_allow_and_waiting_as_told_is_enough(pauses: list[float]) -> None:
    bucket = Bucket(PER_S, BURST)
    start = now = 1_000.0
    for passed, pause in enumerate(pauses, 1):
        now += pause
        wait_s = bucket.take(now)
        if wait_s:
            assert 0 < wait_s <= 1 / PER_S + 1e-9
            now += wait_s + 1e-6
            assert bucket.take(now) == 0.0
        assert passed <= BURST + (now - start) * PER_S + 1e-3
