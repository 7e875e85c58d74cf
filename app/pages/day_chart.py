"""The geometry of the ratings page's chart: bars by day. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.pages.templates import day as words_of
from app.reports.ratings import Figures

WIDTH, HEIGHT, LEFT, FLOOR, TOP = 880, 200, 32, 172, 12


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the grid and its number."""

    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: satisfied answers at the bottom, others above them. Lengths in the drawing's units."""

    x: float
    width: float
    good: float
    good_y: float
    other: float
    other_y: float
    words: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole drawing."""

    bars: Sequence[Bar]
    marks: Sequence[Mark]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    floor: int = FLOOR


def day_chart(days: Sequence[tuple[date, Figures]]) -> Chart:
    """Return the drawing of answers by day."""
    step = _round_step(max((figures.answers for _, figures in days), default=0))
    top = step * max(1, -(-max((figures.answers for _, figures in days), default=0) // step))
    unit = (FLOOR - TOP) / top
    slot = (WIDTH - LEFT) / max(1, len(days))
    every = max(1, -(-len(days) // 10))
    bars: list[Bar] = []
    for index, (day, figures) in enumerate(days):
        good = round(figures.satisfied * unit, 2)
        other = round((figures.answers - figures.satisfied) * unit, 2)
        share = "" if figures.csat.value is None else f", {round(figures.csat.value * 100)} % satisfied"
        bars.append(
            Bar(
                x=round(LEFT + index * slot + slot * 0.15, 2),
                width=round(min(slot * 0.7, 48), 2),
                good=good,
                good_y=round(FLOOR - good, 2),
                other=other,
                other_y=round(FLOOR - good - other, 2),
                words=words_of(day) if index % every == 0 else "",
                title=f"{words_of(day)}: {figures.answers} of {figures.prompts} answered{share}",
            )
        )
    marks = [Mark(round(FLOOR - value * unit, 2), str(value)) for value in range(0, top + 1, step)]
    return Chart(bars, marks)


def _round_step(most: int) -> int:
    """Return a round number that divides the height into at most five steps."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if most <= 5 * step:
                return step
        size *= 10
