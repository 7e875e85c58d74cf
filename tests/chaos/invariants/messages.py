"""Messages: what was acknowledged is stored once, in order, and read by everybody as it was written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.evidence import LANES, Evidence
from tests.chaos.invariants import invariant
from tests.chaos.ledger import Sent


@invariant("I1")
def acknowledged_is_stored(evidence: Evidence) -> Iterator[str]:
    """Every acknowledged send is one row with the same s, sender and body."""
    stored = evidence.by_key()
    for sent in evidence.acknowledged():
        rows = stored.get((sent.c, sent.sender, sent.m), [])
        told = (sent.s, sent.lane, sent.text)
        if len(rows) != 1:
            yield f"{sent.m} was acknowledged as {told} and is stored {len(rows)} times"
        elif (rows[0]["seq"], LANES[rows[0]["lane"]], rows[0]["text"]) != told:
            yield f"{sent.m} was acknowledged as {told} and is stored as {rows[0]}"


@invariant("I2")
def received_is_stored(evidence: Evidence) -> Iterator[str]:
    """Nothing was received that is not in the database."""
    stored = evidence.by_place()
    for reading, event in evidence.applied():
        row = stored.get((reading.c, reading.lane, event.s))
        got = (event.m, event.kind, event.sender, event.text)
        if row is None:
            yield f"{reading.who} received {reading.lane} {event.s} of {reading.c}, which is not stored: {got}"
            continue
        text = row["text"] if row["kind"] in ("message", "note") else None
        if (row["m"], row["kind"], row["sender_id"], text) != got:
            yield f"{reading.who} received {reading.lane} {event.s} of {reading.c} as {got}; stored is {row}"


@invariant("I3")
def one_row_a_key(evidence: Evidence) -> Iterator[str]:
    """One row a key, one s a key."""
    for (c, _, m), rows in evidence.by_key().items():
        if len(rows) > 1:
            yield f"{m} of {c} is stored as {sorted((LANES[row['lane']], row['seq']) for row in rows)}"


@invariant("I4")
def lanes_are_dense(evidence: Evidence) -> Iterator[str]:
    """Each lane's seqs are {1..last}."""
    lanes: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for row in evidence.rows:
        lanes[row["c"], row["lane"]].append(row["seq"])
    for c, head in evidence.heads.items():
        for number, name in enumerate(LANES):
            seqs, last = sorted(lanes[c, number]), head[f"{name}_seq"]
            if seqs != list(range(1, last + 1)):
                odd = sorted(set(seqs) ^ set(range(1, last + 1)))
                yield f"the {name} lane of {c} should be 1..{last}; it has {len(seqs)} rows, odd are {odd[:10]}"


@invariant("I5")
def readers_apply_one_after_another(evidence: Evidence) -> Iterator[str]:
    """Each client applies +1, +1, …"""
    for reading in evidence.ledger.readings:
        for before, after in pairwise(reading.events):
            if after.s != before.s + 1:
                yield f"{reading.who} applied {after.s} after {before.s} in {reading.lane} of {reading.c}"


@invariant("I6")
def a_sender_s_order_is_kept(evidence: Evidence) -> Iterator[str]:
    """A sender's order is sequence order."""
    threads: defaultdict[tuple[str, str, str], list[Sent]] = defaultdict(list)
    for sent in evidence.acknowledged():
        threads[sent.sender, sent.c, sent.lane].append(sent)
    for thread in threads.values():
        thread.sort(key=lambda sent: sent.number)
        for before, after in pairwise(thread):
            if after.s <= before.s:
                yield f"{before.sender} wrote {before.m} ({before.s}) before {after.m} ({after.s})"


@invariant("I7")
def what_was_acknowledged_before_comes_before(evidence: Evidence) -> Iterator[str]:
    """ok(a) before send(b) ⇒ s(a) < s(b)."""
    lanes: defaultdict[tuple[str, str], list[Sent]] = defaultdict(list)
    for sent in evidence.acknowledged():
        lanes[sent.c, sent.lane].append(sent)
    for sends in lanes.values():
        moments = sorted(
            [(sent.sent_tick, 1, sent) for sent in sends] + [(sent.acked_tick, 0, sent) for sent in sends],
            key=lambda moment: moment[:2],
        )
        highest: Sent | None = None
        for _, is_send, sent in moments:
            if not is_send:
                if highest is None or sent.s > highest.s:
                    highest = sent
            elif highest is not None and highest.s >= sent.s:
                yield f"{highest.m} ({highest.s}) was acknowledged before {sent.m} ({sent.s}) was sent"


@invariant("I9")
def unknown_outcomes_exist_at_most_once(evidence: Evidence) -> Iterator[str]:
    """A send of unknown outcome exists at most once, exactly once after its resend."""
    stored = evidence.by_key()
    for sent in evidence.ledger.sends.values():
        if sent.acked_tick > evidence.tick:
            continue
        rows = len(stored.get((sent.c, sent.sender, sent.m), ()))
        if rows > 1 or (sent.outcome == "ok" and rows != 1):
            yield f"{sent.m} ({sent.outcome}, sent {sent.attempts} times) is stored {rows} times"
        if rows and evidence.final and sent.outcome not in ("ok", None):
            yield f"{sent.m} was refused for good ({sent.outcome}), and is stored"
