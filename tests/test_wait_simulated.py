"""The announced wait, simulated: it comes true four times out of five, and is nearer than the usual formula."""

import math
from random import Random

import pytest

from app.simulation.arrivals import HOUR_S, Demand, drawn
from app.simulation.desk import Desk
from app.simulation.policy import Policy
from app.simulation.staff import Worker

HANDLE_S, PATIENCE_S = 480.0, 900.0


def demand(load: float, slots: int, wave: float, hours: float, handle_sd_s: float | None) -> Demand:
    """Visitors for so many slots: `load` times what these can serve, swinging by `wave` of it every six hours."""
    rate = load * slots * HOUR_S / HANDLE_S
    rates = [rate * (1 + wave * math.sin(2 * math.pi * hour / 6)) for hour in range(6)]
    return Demand(rates, hours, PATIENCE_S, HANDLE_S, handle_sd_s)


@pytest.mark.slow
@pytest.mark.parametrize("handle_sd_s", [None, 300.0], ids=["exponential", "lognormal"])
@pytest.mark.parametrize(
    ("load", "agents", "wave", "hours"),
    [(1.3, 6, 0.0, 36), (1.0, 6, 0.4, 60), (1.1, 3, 0.0, 60)],
    ids=["steady overload", "sine load", "six slots"],
)
def test_four_of_five_waits_come_true_and_the_usual_formula_is_further_off(
    load: float, agents: int, wave: float, hours: float, handle_sd_s: float | None
) -> None:
    staff = [Worker(f"agent {i}", 2) for i in range(agents)]
    arrivals = drawn(demand(load, 2 * agents, wave, hours, handle_sd_s), Random(7))
    visits = Desk(arrivals, staff, Policy("plain", sticky_s=0)).run()
    found = [(visit.wait_s, visit.announced) for visit in visits if visit.wait_s is not None and visit.announced]
    assert len(found) > 1500
    n = len(found)
    ours = sum(abs(wait - told.estimate.mean_s) for wait, told in found) / n
    usual = sum(abs(wait - told.usual_s) for wait, told in found) / n
    coverage = sum(told.estimate.low_s <= wait <= told.estimate.high_s for wait, told in found) / n
    bias = sum(told.estimate.mean_s - wait for wait, told in found) / n
    print(f"{n} waits: off by {ours:.0f} s, usual formula {usual:.0f} s, bias {bias:+.0f} s, in range {coverage:.1%}")
    assert ours < usual
    assert 0.75 <= coverage <= 0.85
