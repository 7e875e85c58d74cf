"""Who comes, when, for how long, and how patient: drawn before the day begins, so that every policy meets the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

HOUR_S, DAY_S = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A visitor who asks for an agent.

    Attributes:
        at_s: when, in seconds since the beginning.
        visitor: who; the same again when they come back.
        patience_s: how long they wait at most; infinite when they never give up.
        handle_s: how long their chat takes an agent who has no other.
        skills: what their agent must be able to do, in order.
        boost_s: they stand as if they had come so much earlier.
    """

    at_s: float
    visitor: str
    patience_s: float
    handle_s: float
    skills: tuple[str, ...] = ()
    boost_s: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """Visitors by chance.

    Attributes:
        rates: arrivals an hour: one number, or one for each hour of the day.
        hours: for how long they come.
        patience_s: mean of the exponential distribution; 0 when nobody gives up.
        handle_s: mean length of a chat.
        handle_sd_s: its standard deviation (lognormal); None draws from the exponential distribution.
        skill: what some visitors' agents must be able to do.
        skill_share: how many of them, 0 to 1.
        returning: how many come for another time, 0 to 1.
        priority_share: how many have priority, 0 to 1.
        boost_s: what priority is worth.
    """

    rates: Sequence[float]
    hours: float
    patience_s: float
    handle_s: float
    handle_sd_s: float | None = None
    skill: str = ""
    skill_share: float = 0.0
    returning: float = 0.0
    priority_share: float = 0.0
    boost_s: int = 0


def drawn(demand: Demand, chance: Random) -> list[Arrival]:
    """Draw arrivals: a Poisson process whose rate changes by the hour, by thinning.

    P. A. W. Lewis and G. S. Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", Naval Research
    Logistics Quarterly 26 (1979), pp. 403-413.
    """
    most = max(demand.rates) / HOUR_S
    found: list[Arrival] = []
    if most <= 0:
        return found
    at = chance.expovariate(most)
    while at < demand.hours * HOUR_S:
        if chance.random() * most < demand.rates[int(at // HOUR_S) % len(demand.rates)] / HOUR_S:
            found.append(_arrival(demand, chance, at, found))
        at += chance.expovariate(most)
    return found


def _arrival(demand: Demand, chance: Random, at: float, before: Sequence[Arrival]) -> Arrival:
    again = before and chance.random() < demand.returning
    return Arrival(
        at_s=at,
        visitor=chance.choice(before).visitor if again else f"v{len(before)}",
        patience_s=chance.expovariate(1 / demand.patience_s) if demand.patience_s else math.inf,
        handle_s=_handle(demand, chance),
        skills=(demand.skill,) if demand.skill and chance.random() < demand.skill_share else (),
        boost_s=demand.boost_s if chance.random() < demand.priority_share else 0,
    )


def _handle(demand: Demand, chance: Random) -> float:
    if demand.handle_sd_s is None:
        return chance.expovariate(1 / demand.handle_s)
    # The normal distribution's parameters whose exponential has this mean and deviation.
    variance = math.log1p((demand.handle_sd_s / demand.handle_s) ** 2)
    return chance.lognormvariate(math.log(demand.handle_s) - variance / 2, math.sqrt(variance))
