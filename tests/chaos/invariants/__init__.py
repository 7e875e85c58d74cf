"""What must be true. Each invariant is one small function: it gets the evidence and yields a sentence for each breach.

    @invariant("I3")
    def one_row_a_key(evidence: Evidence) -> Iterator[str]: ...

A module that is named in MODULES is found by itself. Breaches that only a running client can see are noted where they
are seen, with `ledger.anomaly("I15", …)`; those that need watching over time stand in `tests/chaos/watch.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.evidence import Evidence

MODULES = ("messages", "ownership", "queue", "outside")
Judge = Callable[[Evidence], Iterator[str]]


@dataclass(frozen=True)
class Invariant:
    """A rule: its name, its judges, and what it says."""

    name: str
    says: str
    judges: tuple[Judge, ...]


_JUDGES: dict[str, list[Judge]] = {}
WATCHED = {
    "I8": "15 s after the last fault everyone has caught up and no send is undecided",
    "I12": "every conversation is in exactly one state; waiting in Postgres = waiting in Redis",
    "I13": "a free eligible agent and a waiting visitor do not coexist outside faults",
    "I15": "no event reaches a non-participant; no internal lane reaches a visitor",
    "I18": "sockets, connections and keys return to baseline",
    "I22": "nothing outlasts its time: offers, transfers, what is kept for somebody, a wait that overflows",
    "spread": "a process that leaves spreads its clients' return over the window",
}
"""Rules of which the breaches are noted by actors and watchers."""


def invariant(name: str) -> Callable[[Judge], Judge]:
    """Say that a function judges an invariant."""

    def remember(judge: Judge) -> Judge:
        _JUDGES.setdefault(name, []).append(judge)
        return judge

    return remember


def all_invariants() -> list[Invariant]:
    """Return every invariant there is, in the order of their numbers."""
    for module in MODULES:
        importlib.import_module(f"{__name__}.{module}")
    names = sorted({*_JUDGES, *WATCHED}, key=lambda n: (not n.startswith("I"), int(n[1:]) if n[0] == "I" else 0))
    return [
        Invariant(
            n, WATCHED.get(n) or (_JUDGES[n][0].__doc__ or n).splitlines()[0].rstrip("."), tuple(_JUDGES.get(n, ()))
        )
        for n in names
    ]


def judge(evidence: Evidence) -> dict[str, list[str]]:
    """Return the breaches of every invariant; an empty list for one that held."""
    noted = [*evidence.ledger.anomalies, *evidence.found]
    breaches = {
        rule.name: list(
            dict.fromkeys(
                [
                    *(words for each in rule.judges for words in each(evidence)),
                    *(words for name, words in noted if name == rule.name),
                ]
            )
        )
        for rule in all_invariants()
    }
    strange = [f"{name}: {words}" for name, words in noted if name not in breaches]
    if strange:
        # A harness that breaks proves nothing.
        breaches["harness"] = strange
    return breaches
