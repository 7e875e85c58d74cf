"""The comparison drawn: how long visitors waited, and how the work was spread. Pure; SVG."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from app.simulation.figures import Comparison, PolicyFigures, clock

WIDTH, LEFT, RIGHT, ROOM = 880, 64, 24, 200
_COLOURS = ("#3b6fd4", "#d9730d", "#2f9e6e", "#b34fb8", "#8a7a00", "#c2405a")
_DARK = ("#7aa5ff", "#ffa04d", "#5fd3a0", "#e08be4", "#d8c74a", "#ff8097")
_STYLE = (
    "svg{font:13px system-ui,sans-serif;color-scheme:light dark}.ground{fill:#fff}.words{fill:#1d2430}"
    ".faint{fill:#5b6472}.rule{stroke:#d9dee6}.title{font-size:15px;font-weight:600}"
    + "".join(f".s{i}{{stroke:{c};fill:{c}}}" for i, c in enumerate(_COLOURS))
    + ".line{fill:none;stroke-width:2.2}"
    "@media (prefers-color-scheme:dark){.ground{fill:#14171c}.words{fill:#e8ebf0}.faint{fill:#9aa4b2}"
    ".rule{stroke:#2c323c}"
    + "".join(f".s{i}{{stroke:{c};fill:{c}}}" for i, c in enumerate(_DARK))
    + ".line{fill:none}}"
)


def picture(compared: Comparison, waits: Sequence[Sequence[float]]) -> str:
    """Return the drawing.

    Args:
        waits: of each policy, the waits of those served, in seconds, in order.
    """
    policies = compared.policies
    legend = 70
    curves = legend + 24 * len(policies) + 34
    loads = curves + ROOM + 90
    height = loads + ROOM + 60
    svg = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    SubElement(svg, "title").text = "Waits and work by policy"
    SubElement(svg, "style").text = _STYLE
    SubElement(svg, "rect", {"class": "ground", "width": str(WIDTH), "height": str(height)})
    _text(svg, LEFT, 36, "The same visitors, served in different ways", "words title")
    for i, each in enumerate(policies):
        SubElement(svg, "rect", _box(LEFT, legend - 10 + 24 * i, 14, 10, i))
        _text(svg, LEFT + 24, legend + 24 * i, _summary(each, compared.within_s), "words")
    _waits(svg, curves, policies, waits, compared.within_s)
    _work(svg, loads, policies)
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, encoding="unicode") + "\n"


def _summary(each: PolicyFigures, within_s: float) -> str:
    wait = each.wait_s
    gini = "-" if each.gini_load is None else f"{each.gini_load:.3f}"
    in_time = "-" if each.service_level is None else f"{each.service_level * 100:.0f} %"
    lost = "-" if each.abandoned is None else f"{each.abandoned * 100:.0f} %"
    return (
        f"{each.name}: waits {clock(wait.p50)} (half), {clock(wait.p90)} (90 %), {clock(wait.p95)} (95 %); "
        f"{in_time} served within {within_s:g} s, {lost} gave up; Gini {gini}"
    )


def _waits(
    svg: Element, top: int, policies: Sequence[PolicyFigures], waits: Sequence[Sequence[float]], within_s: float
) -> None:
    """Draw the share of those served that had an agent after so many minutes."""
    _text(svg, LEFT, top, "Served within … minutes (of those who got an agent)", "words title")
    top, floor = top + 20, top + 20 + ROOM
    longest = max((each.wait_s.p95 or 0 for each in policies), default=0)
    step = _round_step(max(longest * 1.3, within_s, 60) / 60 / 6)
    most = step * 6 * 60
    across = (WIDTH - LEFT - RIGHT) / most
    for share in (0, 25, 50, 75, 100):
        y = floor - ROOM * share / 100
        _rule(svg, LEFT, y, WIDTH - RIGHT, y)
        _text(svg, LEFT - 8, y + 4, f"{share} %", "faint", "end")
    for tick in range(7):
        _text(svg, LEFT + tick * step * 60 * across, floor + 20, f"{tick * step:g}", "faint", "middle")
    _rule(svg, LEFT + within_s * across, top, LEFT + within_s * across, floor, "4 4")
    for i, ordered in enumerate(waits):
        if not ordered:
            continue
        points = [(float(LEFT), floor - ROOM * sum(wait <= 0 for wait in ordered) / len(ordered))]
        ranks = sorted({*(round(k * (len(ordered) - 1) / 200) for k in range(201))})
        for rank in ranks:
            if 0 < ordered[rank] <= most:
                points.append((LEFT + ordered[rank] * across, floor - ROOM * (rank + 1) / len(ordered)))
        inside = sum(wait <= most for wait in ordered) / len(ordered)
        points.append((WIDTH - RIGHT, floor - ROOM * inside))
        marks = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        SubElement(svg, "polyline", {"class": f"s{i % len(_COLOURS)} line", "points": marks})


def _work(svg: Element, top: int, policies: Sequence[PolicyFigures]) -> None:
    """Draw each agent's hours of chats, those with most first, the policies beside each other."""
    _text(svg, LEFT, top, "Hours of chats of each agent, most first", "words title")
    top, floor = top + 20, top + 20 + ROOM
    hours = [sorted((load.busy_s / 3600 for load in each.agents), reverse=True) for each in policies]
    step = _round_step(max((each[0] for each in hours if each), default=0) / 4)
    many = max(1, *(len(each) for each in hours))
    for tick in range(5):
        y = floor - ROOM * tick / 4
        _rule(svg, LEFT, y, WIDTH - RIGHT, y)
        _text(svg, LEFT - 8, y + 4, f"{tick * step:g}", "faint", "end")
    slot = (WIDTH - LEFT - RIGHT) / many
    bar = slot * 0.76 / len(policies)
    for i, each in enumerate(hours):
        for place, value in enumerate(each):
            tall = ROOM * value / (4 * step)
            SubElement(svg, "rect", _box(LEFT + slot * (place + 0.12) + bar * i, floor - tall, bar * 0.9, tall, i))


def _box(x: float, y: float, width: float, height: float, series: int) -> dict[str, str]:
    sizes = {"x": x, "y": y, "width": width, "height": height}
    return {
        **{name: f"{value:.1f}" for name, value in sizes.items()},
        "class": f"s{series % len(_COLOURS)}",
        "stroke-width": "0",
    }


def _text(svg: Element, x: float, y: float, words: str, kind: str, anchor: str = "start") -> None:
    SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": kind, "text-anchor": anchor}).text = words


def _rule(svg: Element, x1: float, y1: float, x2: float, y2: float, dashes: str = "") -> None:
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}", "class": "rule"}
    SubElement(svg, "line", {**ends, "stroke-dasharray": dashes} if dashes else ends)


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 2.5, 5, 10, 20 … (or tenths) that is not below."""
    size = 0.1
    while True:
        for step in (size, 2 * size, 2.5 * size, 5 * size):
            if step >= least:
                return round(step, 3)
        size *= 10
