"""The wait that is announced: its formula, its steadiness, and whether it comes true in a simulated line."""

from __future__ import annotations

import heapq
import random
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing.wait import STEPS_S, Estimate, Flow, Told, estimates, flow, told


def at(ahead: int, moves: Flow) -> Estimate:
    return next(islice(estimates(moves), ahead, None))


def test_the_next_in_line_waits_for_one_departure() -> None:
    first = at(0, Flow(rate=1 / 60, loss=0))
    assert first.mean_s == pytest.approx(60)
    # The exponential distribution's own quantiles.
    assert first.low_s == pytest.approx(60 * 0.10536, rel=0.08)
    assert first.high_s == pytest.approx(60 * 2.30259, rel=0.03)


def test_many_ahead_add_up_and_the_range_narrows() -> None:
    tenth = at(9, Flow(rate=1 / 60, loss=0))
    assert tenth.mean_s == pytest.approx(600)
    # The Erlang distribution of ten steps, from its tables.
    assert tenth.low_s == pytest.approx(60 * 6.2213, rel=0.01)
    assert tenth.high_s == pytest.approx(60 * 14.2060, rel=0.01)


def test_those_who_give_up_shorten_the_wait_of_those_behind() -> None:
    patient, impatient = Flow(1 / 60, 0), Flow(1 / 60, 1 / 600)
    assert at(0, impatient) == at(0, patient)
    assert at(20, impatient).mean_s < at(20, patient).mean_s


def test_nobody_to_serve_is_no_estimate() -> None:
    assert flow(slots=0, handle_s=300, assigned=0, over_s=10, gave_up=0, waited_s=0) is None


def test_what_is_seen_takes_over_from_what_was_expected() -> None:
    def rate(over_s: float) -> float:
        # Expected: one a minute. Seen: one in five minutes.
        found = flow(slots=5, handle_s=300, assigned=int(over_s / 300), over_s=over_s, gave_up=0, waited_s=0)
        assert found is not None
        return found.rate

    assert rate(0) == pytest.approx(1 / 60)
    assert rate(300) > rate(1500) > rate(90_000) == pytest.approx(1 / 300, rel=0.05)


def test_evenly_long_chats_narrow_the_range_of_those_far_behind_and_few_chats_widen_it() -> None:
    def tenth(handle_sd_s: float, chats: int) -> Estimate:
        found = flow(
            slots=10, handle_s=300, assigned=0, over_s=0, gave_up=0, waited_s=0, handle_sd_s=handle_sd_s, chats=chats
        )
        assert found is not None
        return at(9, found)

    even, uneven, few = tenth(100, 50), tenth(500, 50), tenth(100, 5)
    assert even.mean_s == uneven.mean_s == few.mean_s
    assert uneven.low_s < even.low_s < even.high_s < uneven.high_s
    assert few.low_s < even.low_s < even.high_s < few.high_s


@given(st.floats(0.001, 1), st.floats(0, 0.05), st.integers(0, 300))
def test_estimates_make_sense(rate: float, loss: float, ahead: int) -> None:
    here, behind = islice(estimates(Flow(rate, loss)), ahead, ahead + 2)
    assert 0 <= here.low_s < here.mean_s < here.high_s
    assert here.mean_s < behind.mean_s


@given(st.lists(st.tuples(st.floats(0, 10_000), st.integers(0, 90)), min_size=2, max_size=40))
def test_the_later_bound_never_jumps_up(waits: list[tuple[float, int]]) -> None:
    before, now = None, 0.0
    bounds: list[tuple[float, int]] = []
    for mean, pause in waits:
        now += pause
        before = told(Estimate(mean, mean / 2, mean * 2), before, now)
        assert 0 <= before.low < before.high < len(STEPS_S)
        bounds.append((now, before.high))
    assert all(second - first <= 1 for (_, first), (_, second) in pairwise(bounds))
    for (early, first), (late, second) in zip(bounds, bounds[2:], strict=False):
        assert second - first <= 1 + (late - early) // 60


def test_what_is_told_is_rounded_outwards() -> None:
    assert told(Estimate(200, 130, 290), None, 0).seconds == (120, 300)
    assert told(Estimate(5, 1, 9), None, 0).seconds == (0, 60)
    assert told(Estimate(9e9, 8e9, 9e9), None, 0) == Told(len(STEPS_S) - 2, len(STEPS_S) - 1, 0)


def test_in_a_crowded_line_four_of_five_come_true_and_it_beats_the_usual_formula() -> None:
    """Steady overload: 6 agents with 2 chats each, 8 minutes a chat, patience of 15 minutes, 1.3 times the load."""
    dice = random.Random(7)
    slots, handle_s, patience_s = 12, 480.0, 900.0
    arrival_s = handle_s / slots / 1.3
    now, free = 0.0, slots
    line: list[tuple[float, float, Estimate, float]] = []  # arrival, gives up at, ours, the usual formula
    busy: list[float] = []
    inside = ours = usual = n = gave_up = 0
    history: list[float] = []
    waited = 0.0
    handled: list[float] = []
    next_arrival = 0.0
    while n < 4000:
        next_free = busy[0] if busy else float("inf")
        next_end = min((each[1] for each in line), default=float("inf"))
        now = min(next_arrival, next_free, next_end)
        if now == next_end:
            leaver = min(line, key=lambda each: each[1])
            line.remove(leaver)
            gave_up += 1
            waited += now - leaver[0]
        elif now == next_free:
            heapq.heappop(busy)
            free += 1
        else:
            head = line[0][0] if line else now
            mean = sum(handled[-50:]) / len(handled[-50:]) if handled else handle_s
            served = sum(1 for moment in assigned if moment > head) if (assigned := history[-400:]) else 0
            moves = flow(
                slots=slots, handle_s=mean, assigned=served, over_s=now - head, gave_up=gave_up, waited_s=waited
            )
            assert moves is not None
            line.append(
                (now, now + dice.expovariate(1 / patience_s), at(len(line), moves), (len(line) + 1) * mean / slots)
            )
            next_arrival = now + dice.expovariate(1 / arrival_s)
        while free and line:
            arrived, _, guess, other = line.pop(0)
            free -= 1
            length = dice.expovariate(1 / handle_s)
            handled.append(length)
            history.append(now)
            heapq.heappush(busy, now + length)
            wait = now - arrived
            waited += wait
            if wait > 0:
                n += 1
                inside += guess.low_s <= wait <= guess.high_s
                ours += abs(wait - guess.mean_s)
                usual += abs(wait - other)
    assert 0.75 <= inside / n <= 0.85
    assert ours < 0.9 * usual, "usual: place in line times length of a chat by agents"
