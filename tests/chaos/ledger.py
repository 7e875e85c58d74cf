"""What the actors did, heard and were told, in one order. The invariants are judged from it and from SQL."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]


@dataclass(slots=True)
class Sent:
    """A message or note that somebody wrote.

    Attributes:
        number: its place in the order in which everything in this ledger happened, as are the other `…_tick`s.
        sender: the person's id.
        outcome: `ok`, the code of a final refusal, or None while it is undecided.
        s, at_ms: from the acknowledgement.
    """

    number: int
    m: str
    c: str
    lane: str
    sender: str
    text: str
    sent_tick: int = 0
    sent_at: float = 0.0
    attempts: int = 0
    acked_tick: int = 0
    acked_at: float = 0.0
    outcome: str | None = None
    s: int = 0
    at_ms: int = 0


@dataclass(slots=True, frozen=True)
class Applied:
    """An event that a client applied."""

    tick: int
    s: int
    kind: str
    m: str
    sender: str
    text: str | None


@dataclass(slots=True, frozen=True)
class Fenced:
    """A command that carried a generation, and was carried out."""

    tick: int
    who: str
    command: str
    c: str
    gen: int
    answered: int


@dataclass(slots=True)
class Reading:
    """One client's reading of one lane, from where it began."""

    who: str
    c: str
    lane: str
    events: list[Applied] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """All of one round.

    Attributes:
        sends: by message id.
        readings: every client's, of every lane.
        fenced: the commands that were carried out.
        glimpses: when an agent first heard of a conversation: (agent, conversation) → tick.
        anomalies: what an actor saw that may not be: (invariant, words).
        acks, deliveries: (moment of the first sending, seconds it took).
        notices: when clients noticed that something was wrong (monotonic seconds).
    """

    sends: dict[str, Sent] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    fenced: list[Fenced] = field(default_factory=list)
    glimpses: dict[tuple[str, str], int] = field(default_factory=dict)
    anomalies: list[tuple[str, str]] = field(default_factory=list)
    acks: list[tuple[float, float]] = field(default_factory=list)
    deliveries: list[tuple[float, float]] = field(default_factory=list)
    notices: list[float] = field(default_factory=list)
    reconnects: int = 0
    refusals: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _ticks: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def tick(self) -> int:
        """Return the next number: what has a larger one happened later."""
        return next(self._ticks)

    def write(self, m: str, c: str, lane: str, sender: str, text: str) -> Sent:
        """Somebody wrote something."""
        self.sends[m] = sent = Sent(self.tick(), m, c, lane, sender, text)
        return sent

    def went_out(self, sent: Sent) -> None:
        """It was put on a socket, for the first time or again."""
        sent.attempts += 1
        if sent.attempts == 1:
            sent.sent_tick, sent.sent_at = self.tick(), time.monotonic()

    def acknowledged(self, sent: Sent, ok: Frame) -> None:
        """It was acknowledged."""
        if sent.outcome == "ok":
            if sent.s != ok["s"]:
                self.anomaly("I1", f"{sent.m} was acknowledged as {sent.s} and as {ok['s']}")
            return
        sent.acked_tick, sent.acked_at = self.tick(), time.monotonic()
        sent.outcome, sent.s, sent.at_ms = "ok", ok["s"], ok["at"]
        self.acks.append((sent.sent_at, sent.acked_at - sent.sent_at))

    def refused(self, sent: Sent, code: str) -> None:
        """It was refused for good: its sender gave it up."""
        sent.outcome = code
        self.refusals[code] += 1

    def applied(self, reading: Reading, frame: Frame, *, live: bool) -> None:
        """A client applied an event."""
        text = frame["data"].get("text") if frame["kind"] in ("message", "note") else None
        reading.events.append(Applied(self.tick(), frame["s"], frame["kind"], frame["m"], frame["from"]["id"], text))
        sent = self.sends.get(frame["m"])
        if live and sent is not None and sent.sender != reading.who and sent.sent_at:
            self.deliveries.append((sent.sent_at, time.monotonic() - sent.sent_at))

    def glimpsed(self, who: str, c: str) -> None:
        """An agent heard of a conversation."""
        if (who, c) not in self.glimpses:
            self.glimpses[who, c] = self.tick()

    def anomaly(self, invariant: str, words: str) -> None:
        """An actor saw what may not be."""
        self.anomalies.append((invariant, words))

    def noticed(self) -> None:
        """A client noticed that something is wrong: it lost its connection, or was told to try again."""
        self.notices.append(time.monotonic())

    def undecided(self) -> list[Sent]:
        """Return what was written and neither acknowledged nor refused."""
        return [sent for sent in self.sends.values() if sent.outcome is None]
