"""Figures of rounds: one JSON object for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.campaign import Round
from tests.chaos.invariants import all_invariants


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the last line of a campaign."""
    broken = {name for each in rounds for name, words in each.breaches.items() if words}
    recovered = [phase.caught_up_at - phase.mended_at for each in rounds for phase in each.faults if phase.caught_up_at]
    names = [rule.name for rule in all_invariants()] + (["harness"] if "harness" in broken else [])
    count = {name: sum(len(each.breaches.get(name, ())) for each in rounds) for name in names}
    return {
        "seed": rounds[0].seed if len(rounds) == 1 else [each.seed for each in rounds],
        "faults": dict(Counter(phase.name for each in rounds for phase in each.faults)),
        "acked": sum(len(each.scene.ledger.acks) for each in rounds),
        "lost": count["I1"],
        "doubled": count["I3"],
        "reordered": count["I6"] + count["I7"],
        "invariants": {name: "broken" if name in broken else "held" for name in names},
        "recover_s": quantiles(recovered, ("p50", "p95", "max")),
    }


def quantiles(values: Sequence[float], names: Sequence[str]) -> dict[str, float | None]:
    """Return the named quantiles (`p50`, `max`), rounded to milliseconds; None when there are no values."""
    ordered = sorted(values)
    shares = {name: 1.0 if name == "max" else int(name[1:]) / 100 for name in names}
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None
        for name, share in shares.items()
    }
