"""What a day came to, as it is printed: one JSON object, or a table. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, field

from app.simulation.staff import Worker
from app.simulation.visit import Visit


class Wait(Struct):
    """Seconds of those who got an agent (the others are counted apart); None when there was none."""

    p50: float | None
    p90: float | None
    p95: float | None


class EstimateQuality(Struct):
    """How the waits that were told came true, of those who were told one and got an agent.

    Attributes:
        mae_s: mean distance of the wait from what was expected.
        bias_s: by how much more was expected than came.
        coverage: the share whose wait lay in the range. Four of five should.
    """

    mae_s: float | None
    bias_s: float | None
    coverage: float | None


class Load(Struct):
    """One agent's work.

    Attributes:
        busy_s: the lengths of their chats added up.
    """

    agent: str
    chats: int
    busy_s: float


class PolicyFigures(Struct):
    """One policy.

    Attributes:
        abandoned: the share of all who got in line that left unserved.
        service_level: the share of the same that got an agent in time.
        gini_load: how unevenly the team's agents' work was spread, 0 being evenly.
        arrivals, served, gave_up, still_waiting, turned_away: visitors; the first is the sum of the others.
        overflowed: those of them who waited in the other team's line, at once or after a while.
        agents: the team's, then those of the other team.
    """

    name: str
    wait_s: Wait
    abandoned: float | None
    service_level: float | None
    gini_load: float | None
    estimate: EstimateQuality
    arrivals: int
    served: int
    gave_up: int
    still_waiting: int
    turned_away: int
    overflowed: int
    agents: list[Load]


class Comparison(Struct):
    """All policies, over the same arrivals.

    Attributes:
        within_s: what "in time" means for the service level.
        notes: what of the recorded team was not simulated, a sentence each.
    """

    policies: list[PolicyFigures]
    seed: int
    within_s: float
    notes: list[str] = field(default_factory=list[str])


def figures_of(
    name: str, visits: Sequence[Visit], staff: Sequence[Worker], within_s: float, backup: Sequence[Worker] = ()
) -> PolicyFigures:
    """Add up what became of the arrivals.

    Args:
        backup: the other team's agents.
    """
    waits = sorted(visit.wait_s for visit in visits if visit.wait_s is not None)
    gave_up = sum(visit.gave_up_s is not None for visit in visits)
    turned_away = sum(visit.turned_away for visit in visits)
    in_line = len(visits) - turned_away
    loads = [_load(worker.name, visits) for worker in staff]
    return PolicyFigures(
        name=name,
        wait_s=Wait(*(percentile(waits, share) for share in (0.5, 0.9, 0.95))),
        abandoned=round(gave_up / in_line, 4) if in_line else None,
        service_level=round(sum(wait <= within_s for wait in waits) / in_line, 4) if in_line else None,
        gini_load=gini([load.busy_s for load in loads]),
        estimate=_quality(visits),
        arrivals=len(visits),
        served=len(waits),
        gave_up=gave_up,
        still_waiting=in_line - len(waits) - gave_up,
        turned_away=turned_away,
        overflowed=sum(visit.overflowed for visit in visits),
        agents=[*loads, *(_load(worker.name, visits) for worker in backup)],
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that so large a share is not above (the nearest rank)."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1) if ordered else None


def gini(values: Sequence[float]) -> float | None:
    """Return the Gini coefficient: Σᵢ (2i - n - 1)·xᵢ ÷ (n·Σ xᵢ), x in order; 0 when all are alike. None without work.

    C. Gini, "Variabilità e mutabilità" (1912); in this form C. Damgaard and J. Weiner, "Describing inequality in plant
    size or fecundity", Ecology 81 (2000), pp. 1139-1142.
    """
    n, total = len(values), sum(values)
    if total <= 0:
        return None
    return round(sum((2 * i - n - 1) * x for i, x in enumerate(sorted(values), 1)) / (n * total), 4)


def table(compared: Comparison) -> str:
    """Return the figures for people: a line a policy, then the agents' chats at once, side by side."""
    head = (
        "",
        "served",
        "gave up",
        "p50",
        "p90",
        "p95",
        f"≤ {compared.within_s:g} s",
        "Gini",
        "est. off",
        "bias",
        "true",
    )
    rows = [head, *(_row(each) for each in compared.policies)]
    for title, counts in (
        ("turned away", [each.turned_away for each in compared.policies]),
        ("overflowed", [each.overflowed for each in compared.policies]),
    ):
        if any(counts):
            rows = [(*row, cell) for row, cell in zip(rows, (title, *map(str, counts)), strict=True)]
    names = list(dict.fromkeys(load.agent for each in compared.policies for load in each.agents))
    loads = [{load.agent: load for load in each.agents} for each in compared.policies]
    work = [("hours of chats", *(each.name for each in compared.policies))]
    for name in names:
        work.append((name, *(f"{by[name].busy_s / 3600:.1f}" if name in by else "-" for by in loads)))
    explained = (
        "Waits are of those served; the range told should come true for 80 %. off: mean distance of the wait from what "
        "was expected; bias: by how much more was expected."
    )
    return "\n\n".join((_aligned(rows), _aligned(work), "\n".join((explained, *compared.notes))))


def _row(each: PolicyFigures) -> tuple[str, ...]:
    told = each.estimate
    return (
        each.name,
        str(each.served),
        f"{each.gave_up} ({_percent(each.abandoned)})",
        *(clock(value) for value in (each.wait_s.p50, each.wait_s.p90, each.wait_s.p95)),
        _percent(each.service_level),
        "-" if each.gini_load is None else f"{each.gini_load:.3f}",
        clock(told.mae_s),
        clock(told.bias_s),
        _percent(told.coverage),
    )


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def clock(seconds: float | None) -> str:
    """Return seconds as minutes and seconds, as in 2:05."""
    if seconds is None:
        return "-"
    sign, whole = "-" if seconds < -0.5 else "", round(abs(seconds))
    return f"{sign}{whole // 60}:{whole % 60:02}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def _load(name: str, visits: Sequence[Visit]) -> Load:
    theirs = [
        visit.ended_s - visit.assigned_s
        for visit in visits
        if visit.agent == name and visit.ended_s is not None and visit.assigned_s is not None
    ]
    return Load(name, len(theirs), round(sum(theirs), 1))


def _quality(visits: Sequence[Visit]) -> EstimateQuality:
    found = [
        (visit.wait_s, visit.announced.estimate)
        for visit in visits
        if visit.wait_s is not None and visit.announced is not None
    ]
    if not found:
        return EstimateQuality(None, None, None)
    n = len(found)
    return EstimateQuality(
        round(sum(abs(wait - told.mean_s) for wait, told in found) / n, 1),
        round(sum(told.mean_s - wait for wait, told in found) / n, 1),
        round(sum(told.low_s <= wait <= told.high_s for wait, told in found) / n, 4),
    )
