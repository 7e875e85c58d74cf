"""How fast one may go: a bucket that fills steadily and never holds more than its burst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.throttle import FEW, Allowances, Bucket, Pace
from app.ids import uuid7

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


def test_a_person_has_one_allowance_however_often_they_come() -> None:
    allowances = Allowances(Pace(visitor_messages_per_s=1, burst=3))
    vera, vic = uuid7(), uuid7()
    for _ in range(3):
        assert allowances.of(vera, "visitor", 100.0).messages.take(100.0) == 0.0
    assert allowances.of(vera, "visitor", 100.5).messages.take(100.5) == pytest.approx(0.5)
    assert allowances.of(vic, "visitor", 100.5).messages.take(100.5) == 0.0


def test_who_has_rested_is_forgotten_and_who_has_not_is_remembered() -> None:
    allowances = Allowances(Pace(visitor_messages_per_s=1, burst=3))
    busy = [uuid7() for _ in range(5)]
    for _ in range(10 * FEW):
        allowances.of(uuid7(), "visitor", 100.0).frames.take(100.0)
    for who in busy:
        for _ in range(3):
            allowances.of(who, "visitor", 1_000.0).messages.take(1_000.0)
    # Everybody else has rested for a quarter of an hour.
    for _ in range(20 * FEW):
        allowances.of(uuid7(), "visitor", 1_000.0)
    assert len(allowances) <= 2 * FEW
    for who in busy:
        assert allowances.of(who, "visitor", 1_000.0).messages.take(1_000.0) > 0
