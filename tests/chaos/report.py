"""Figures of rounds: one line of JSON, a file with all of them, and a page to look at."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.campaign import Phase, Round
from tests.chaos.invariants import all_invariants
from tests.chaos.page import page

NAMES = ("p50", "p95", "p99")


@dataclass(frozen=True)
class Stretch:
    """All phases of one name: how long acknowledgements and deliveries took that were first sent in them (ms)."""

    name: str
    times: int
    acks: dict[str, float | None]
    deliveries: dict[str, float | None]
    detect_s: dict[str, float | None]
    recover_s: dict[str, float | None]


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the last line of a campaign."""
    broken = {name for each in rounds for name, words in each.breaches.items() if words}
    names = [rule.name for rule in all_invariants()] + (["harness"] if "harness" in broken else [])
    count = {name: sum(len(each.breaches.get(name, ())) for each in rounds) for name in names}
    return {
        "seed": rounds[0].seed if len(rounds) == 1 else [each.seed for each in rounds],
        "faults": dict(Counter(phase.name for each in rounds for phase in each.faults)),
        "acked": sum(len(each.scene.ledger.acks) for each in rounds),
        "moves": dict(sorted(sum((each.moves for each in rounds), Counter[str]()).items())),
        "lost": count["I1"],
        "doubled": count["I3"],
        "reordered": count["I6"] + count["I7"],
        "invariants": {name: "broken" if name in broken else "held" for name in names},
        "recover_s": quantiles([s for each in rounds for s in _recoveries(each.faults)], ("p50", "p95", "max")),
    }


def details(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return everything that is worth keeping of a campaign."""
    faults = [phase for each in rounds for phase in each.faults]
    return {
        **summary(rounds),
        "commit": _commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "detect_s": quantiles(_detections(faults), ("p50", "p95", "max")),
        "ack_ms": _ms([s for each in rounds for _, s in each.scene.ledger.acks]),
        "delivery_ms": _ms([s for each in rounds for _, s in each.scene.ledger.deliveries]),
        "phases": [vars(stretch) for stretch in stretches(rounds)],
        "rounds": [
            {
                "seed": each.seed,
                "lasted_s": round(each.ended_at - each.began_at, 1),
                "left_out": each.left_out,
                "breaches": {name: words for name, words in each.breaches.items() if words},
                "reconnects": each.scene.ledger.reconnects,
                "refusals": dict(each.scene.ledger.refusals),
                "crowding": round(each.crowding, 1),
                "longest_beside_s": round(each.longest_beside_s, 2),
                "longest_index_off_s": round(each.longest_off_s, 2),
                "longest_overtaken_s": round(each.longest_overtaken_s, 2),
                "memory_mb": each.memory_mb,
            }
            for each in rounds
        ],
    }


def write(rounds: Sequence[Round], directory: Path) -> Path:
    """Write `report.json` and `report.html`; return the page's path."""
    found = details(rounds)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rules = {rule.name: rule.says for rule in all_invariants()}
    path = directory / "report.html"
    path.write_text(page(found, stretches(rounds), rounds[-1], rules), encoding="utf-8")
    return path


def stretches(rounds: Sequence[Round]) -> list[Stretch]:
    """Return what the phases of each name have in common, calm first."""
    acks: dict[str, list[float]] = {}
    deliveries: dict[str, list[float]] = {}
    phases: dict[str, list[Phase]] = {}
    for each in rounds:
        for phase in each.phases:
            phases.setdefault(phase.name, []).append(phase)
        for store, moments in ((acks, each.scene.ledger.acks), (deliveries, each.scene.ledger.deliveries)):
            for at, took in moments:
                if (phase := each.phase_at(at)) is not None:
                    store.setdefault(phase.name, []).append(took)
    return [
        Stretch(
            name,
            len(some),
            _ms(acks.get(name, [])),
            _ms(deliveries.get(name, [])),
            quantiles(_detections(some), ("p50", "max")),
            quantiles(_recoveries(some), ("p50", "max")),
        )
        for name, some in sorted(phases.items(), key=lambda item: (item[0] != "calm", item[0]))
    ]


def quantiles(values: Sequence[float], names: Sequence[str]) -> dict[str, float | None]:
    """Return the named quantiles (`p50`, `max`), rounded to milliseconds; None when there are no values."""
    ordered = sorted(values)
    shares = {name: 1.0 if name == "max" else int(name[1:]) / 100 for name in names}
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None
        for name, share in shares.items()
    }


def _ms(seconds: Sequence[float]) -> dict[str, float | None]:
    return {name: None if s is None else round(s * 1000, 1) for name, s in quantiles(seconds, NAMES).items()}


def _recoveries(phases: Sequence[Phase]) -> list[float]:
    return [phase.caught_up_at - phase.mended_at for phase in phases if phase.caught_up_at is not None]


def _detections(phases: Sequence[Phase]) -> list[float]:
    return [phase.noticed_at - phase.began_at for phase in phases if phase.noticed_at is not None]


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
