"""Conversations and agents: one owner, one state, no more than an agent can take, nobody passed over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from tests.chaos.evidence import Evidence
from tests.chaos.invariants import invariant
from tests.chaos.ledger import Frame

OVERTAKEN_AT_MOST_S = 40.0
"""Who fell out of the index can be overtaken until they stand in it again; see `watch.INDEX_WITHIN_S`."""


@invariant("I10")
def one_owner_and_rising_generations(evidence: Evidence) -> Iterator[str]:
    """At most one owner at every commit; gen only rises."""
    gens: dict[str, int] = {}
    for row in evidence.commits():
        c, gen = row["c"], row["gen"]
        if gen < gens.get(c, -1) or (gen == gens.get(c) and row["before_gen"] is not None):
            yield f"{c} went from generation {gens[c]} to {gen}"
        gens[c] = gen
        if (row["who"] is None) != (row["state"] in ("waiting", "closed")):
            yield f"{c} is {row['state']} and belongs to {row['who']} at generation {gen}"
        if row["open_stints"] != (row["state"] == "active"):
            yield f"{c} is {row['state']} with {row['open_stints']} stints at generation {gen}"


@invariant("I10")
def late_commands_are_refused(evidence: Evidence) -> Iterator[str]:
    """A fenced command is carried out at the generation that it names, and by one agent only."""
    done: dict[tuple[str, int], str] = {}
    # What comes back to its sender as it is declined moves twice in one transaction.
    began = {(turn.c, turn.line["gen"]): turn.was["gen"] for turn in evidence.turns()}
    for fenced in evidence.ledger.fenced:
        found = began.get((fenced.c, fenced.answered), fenced.gen)
        if found != fenced.gen or fenced.answered <= fenced.gen:
            yield f"{fenced.command} for {fenced.c} at {fenced.gen} was carried out at {found}"
        other = done.setdefault((fenced.c, fenced.answered), fenced.who)
        if other != fenced.who:
            yield f"{fenced.who} and {other} both made generation {fenced.answered} of {fenced.c}"


@invariant("I11")
def nobody_has_more_than_they_can_take(evidence: Evidence) -> Iterator[str]:
    """Active + offered ≤ capacity at every commit, and load counts them."""
    for row in evidence.audit:
        if row["who"] is None or row["load"] is None:
            continue
        if row["owned"] > row["capacity"]:
            yield f"agent {row['who']} had {row['owned']} of {row['capacity']} at {row['at']}"
        if row["owned"] != row["load"]:
            yield f"agent {row['who']} had {row['owned']}, counted as {row['load']}, at {row['at']}"


@invariant("I14")
def nobody_is_overtaken(evidence: Evidence) -> Iterator[str]:
    """Nobody is overtaken by a larger score.

    Who fell out of the index is passed over until they stand in it again: the verdict is about how long that goes on,
    from the first time that somebody was preferred to the last. The longest that was seen is in the report.
    """
    for row, for_s in overtakings(evidence):
        if for_s > OVERTAKEN_AT_MOST_S * evidence.crowding:
            yield f"{row['c']} was offered; {row['overtook']}, who came before, is passed over since {for_s:.1f} s"


def overtakings(evidence: Evidence) -> Iterator[tuple[Frame, float]]:
    """Return the offers at which somebody waited whose turn was earlier, and the seconds since the first time."""
    first: dict[tuple[UUID, datetime], datetime] = {}
    for row in evidence.audit:
        if row["overtook"] is not None:
            began = first.setdefault((row["overtook"], row["overtook_since"]), row["at"])
            yield row, (row["at"] - began).total_seconds()


@invariant("I12")
def one_state(evidence: Evidence) -> Iterator[str]:
    """Every conversation is in exactly one state; waiting in Postgres = waiting in Redis."""
    for c, head in evidence.heads.items():
        state = head["state"]
        if (head["agent_id"] is None) != (state in ("waiting", "closed")):
            yield f"{c} is {state} with agent {head['agent_id']}"
        if head["open_stints"] != (state == "active"):
            yield f"{c} is {state} with {head['open_stints']} stints that go on"
        if head["open_episodes"] != (state != "closed"):
            yield f"{c} is {state} with {head['open_episodes']} episodes that go on"
