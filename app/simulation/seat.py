"""An agent at work, as the index is told of them, and what they do with an offer."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from app.routing.assignment import SINCE_MS, Candidate, Place
from app.routing.patience import ANSWER_S
from app.simulation.policy import Policy
from app.simulation.staff import Worker


@dataclass(slots=True)
class Seat:
    """An agent's state.

    Attributes:
        there: their shift is on.
        away: they missed too many offers, and get no new ones.
        load: conversations offered to or active with them.
        missed: offers in a row that ran out.
    """

    worker: Worker
    team: str
    there: bool = False
    away: bool = False
    load: int = 0
    missed: int = 0
    rev: int = 0
    last_ms: int = SINCE_MS
    free_ms: int = SINCE_MS

    @property
    def takes_chats(self) -> bool:
        return self.there and not self.away

    def take(self, now_ms: int) -> None:
        """One conversation more, if only offered."""
        self.load += 1
        self.last_ms = now_ms

    def free(self, now_ms: int) -> None:
        """One conversation less."""
        self.load -= 1
        self.free_ms = now_ms

    def candidate(self, policy: Policy) -> Candidate:
        """Return them as the index should know them now."""
        self.rev += 1
        room = None if policy.share is None else max(0, policy.share - self.load)
        return Candidate(
            self.worker.name,
            self.load,
            self.worker.capacity if self.takes_chats else 0,
            self.last_ms,
            (Place(self.team, policy.strategy, room),),
            self.rev,
            self.free_ms,
            self.worker.skills,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of an offer, and after how long."""

    what: Literal["accepted", "declined", "missed"]
    after_s: float


def answer_of(policy: Policy, chance: Random) -> Answer:
    """Draw an agent's answer. Where chats are assigned directly their client confirms at once."""
    if policy.mode == "direct":
        return Answer("accepted", 0)
    luck = chance.random() * 100
    if luck < policy.missed:
        return Answer("missed", ANSWER_S)
    return Answer("declined" if luck < policy.missed + policy.declined else "accepted", policy.answer_s)
