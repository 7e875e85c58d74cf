"""The report as a page: one file without anything from elsewhere. A timeline, the phases, the invariants."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaos.campaign import Round
    from tests.chaos.report import Stretch

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 1400, 420, 60, 150, 30
LEAST_S, MOST_S = 0.001, 60.0
MOST_DOTS = 6000
COLOURS = {"clients": "#8e6bbf", "gateway": "#c2543d", "postgres": "#3a6ea5", "redis": "#c98a1b"}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1400px; padding: 0 1rem; color: #1d1d22 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child, td.words { text-align: left }
.held { color: #1c7a3e } .broken { color: #b3261e; font-weight: 600 }
svg { width: 100%; height: auto; background: #fafafa; border: 1px solid #ddd } svg text { font: 11px system-ui }
.facts span { display: inline-block; margin-right: 2rem }
"""


def page(found: dict[str, Any], stretches: Sequence[Stretch], last: Round, rules: dict[str, str]) -> str:
    """Return the page.

    Args:
        found: `report.details`.
        last: the round whose timeline is drawn.
        rules: every invariant and what it says.
    """
    broken = [name for name, state in found["invariants"].items() if state == "broken"]
    verdict = f"broken: {', '.join(broken)}" if broken else "everything held"
    facts = {
        "seed": found["seed"],
        "commit": found["commit"],
        "at": found["at"],
        "machine": found["machine"],
        "faults": sum(found["faults"].values()),
        "acknowledged": found["acked"],
        "lost": found["lost"],
        "doubled": found["doubled"],
        "reordered": found["reordered"],
        "detect s": _shown(found["detect_s"]),
        "recover s": _shown(found["recover_s"]),
        "ack ms": _shown(found["ack_ms"]),
        "delivery ms": _shown(found["delivery_ms"]),
    }
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Fault campaign</title>",
        f"<style>{STYLE}</style>",
        f"<h1>Fault campaign: <span class={'broken' if broken else 'held'}>{escape(verdict)}</span></h1>",
        "<p class=facts>",
        *(f"<span>{escape(name)} <b>{escape(str(value))}</b></span>" for name, value in facts.items()),
        f"</p><h2>Faults against latency, seed {last.seed}</h2>",
        "<p>Each dot is a message at the moment it was first sent: how long its acknowledgement (grey) and its "
        "delivery to another client (blue) took. A band is a fault; its pale part is the time until everybody had "
        "caught up.</p>",
        *_timeline(last),
        "<h2>Phases</h2>",
        *_phases(stretches),
        "<h2>Invariants</h2>",
        *_invariants(found, rules),
        "</html>",
    ]
    return "\n".join(parts)


def _timeline(played: Round) -> Iterator[str]:
    begin, end = played.began_at, max(played.ended_at, played.began_at + 1)
    floor = TOP + HEIGHT

    def x(at: float) -> float:
        return round(LEFT + (min(max(at, begin), end) - begin) / (end - begin) * (WIDTH - LEFT), 1)

    def y(seconds: float) -> float:
        share = math.log(min(max(seconds, LEAST_S), MOST_S) / LEAST_S) / math.log(MOST_S / LEAST_S)
        return round(floor - share * HEIGHT, 1)

    yield f'<svg viewBox="0 0 {WIDTH} {floor + BOTTOM}" role="img" aria-label="timeline">'
    for phase in played.faults:
        colour = COLOURS.get(phase.name.partition(".")[0], "#666")
        mended, healed = x(phase.mended_at or end), x(phase.caught_up_at or end)
        left = x(phase.began_at)
        yield f'<g><title>{escape(phase.name)}</title><rect x="{left}" y="{TOP}" width="{max(1, mended - left):.1f}" '
        yield f'height="{HEIGHT}" fill="{colour}" opacity=".35"/><rect x="{mended}" y="{TOP}" '
        yield f'width="{max(0, healed - mended):.1f}" height="{HEIGHT}" fill="{colour}" opacity=".12"/>'
        yield f'<text transform="translate({left + 8},{TOP - 6}) rotate(-55)" fill="{colour}">'
        yield f"{escape(phase.name)}</text></g>"
    for seconds in (0.001, 0.01, 0.1, 1.0, 10.0, 60.0):
        words = f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
        yield f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y(seconds)}" y2="{y(seconds)}" stroke="#ccc"/>'
        yield f'<text x="{LEFT - 6}" y="{y(seconds) + 4}" text-anchor="end">{words}</text>'
    for second in range(0, int(end - begin), 20):
        yield f'<text x="{x(begin + second)}" y="{floor + 18}" text-anchor="middle">{second} s</text>'
    for moments, colour in ((played.scene.ledger.deliveries, "#2b6cb0"), (played.scene.ledger.acks, "#555")):
        # The slow ones are what one looks for: of the others some are enough.
        step = max(1, len(moments) // MOST_DOTS)
        dots = [m for n, m in enumerate(moments) if n % step == 0 or m[1] > 0.5]
        path = "".join(f"M{x(at)} {y(took)}h0" for at, took in dots)
        yield f'<path d="{path}" stroke="{colour}" stroke-width="2.5" stroke-linecap="round" opacity=".4"/>'
    yield "</svg>"


def _phases(stretches: Sequence[Stretch]) -> Iterator[str]:
    yield "<table><tr><th>phase<th>times<th colspan=3>ack p50 / p95 / p99 ms<th colspan=3>delivery p50 / p95 / p99 ms"
    yield "<th>noticed after, p50 / max s<th>caught up after, p50 / max s"
    for stretch in stretches:
        cells = [stretch.name, stretch.times, *stretch.acks.values(), *stretch.deliveries.values()]
        cells += [_shown(stretch.detect_s), _shown(stretch.recover_s)]
        yield "<tr>" + "".join(f"<td>{escape('–' if cell is None else str(cell))}" for cell in cells)
    yield "</table>"


def _invariants(found: dict[str, Any], rules: dict[str, str]) -> Iterator[str]:
    yield "<table><tr><th>invariant<th><th>what must be true"
    for name, state in found["invariants"].items():
        words = [each for played in found["rounds"] for each in played["breaches"].get(name, ())]
        yield f"<tr><td>{escape(name)}<td class={state}>{state}<td class=words>{escape(rules.get(name, ''))}"
        yield "".join(f"<br><span class=broken>{escape(each)}</span>" for each in words[:20])
    yield "</table>"


def _shown(values: dict[str, float | None]) -> str:
    return " / ".join("–" if value is None else f"{value:g}" for value in values.values())
