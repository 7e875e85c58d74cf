"""How fast somebody may go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

FEW = 1_000
"""Of so many people the allowances are kept without a look at who has left."""


@dataclass(slots=True, frozen=True)
class Pace:
    """How fast a person may go, on all their sockets of a process together: tokens a second, and at once."""

    frames_per_s: float = 20
    frames_burst: float = 60
    visitor_messages_per_s: float = 1
    agent_messages_per_s: float = 10
    burst: float = 20
    hellos_per_s: float = 5
    hellos_burst: float = 30


class Bucket:
    """A token bucket.

    Args:
        per_s: tokens that flow in a second.
        burst: most tokens it holds; it starts full.
    """

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take a token. Returns 0 if there was one, else the seconds until there will be."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_s

    def full(self, now: float) -> bool:
        """Tell whether it holds its burst: then a new one is as good."""
        return self._tokens + (now - self._at) * self._per_s >= self._burst


@dataclass(slots=True, frozen=True)
class Allowance:
    """What is left to one person: hellos, frames, messages and notes."""

    hellos: Bucket
    frames: Bucket
    messages: Bucket

    def full(self, now: float) -> bool:
        """Tell whether nothing of it was used lately."""
        return self.hellos.full(now) and self.frames.full(now) and self.messages.full(now)


class Allowances:
    """The allowances of everybody on this process. They outlive a socket: who comes back goes on where they were.

    Args:
        pace: how fast each may go.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._people: dict[UUID, Allowance] = {}
        self._look_at = FEW

    def of(self, subject: UUID, kind: Literal["visitor", "agent"], now: float) -> Allowance:
        """Return a person's allowance."""
        found = self._people.get(subject)
        if found is None:
            if len(self._people) >= self._look_at:
                self._forget_the_rested(now)
            found = self._people[subject] = self._new(kind)
        return found

    def _new(self, kind: Literal["visitor", "agent"]) -> Allowance:
        pace = self.pace
        messages_per_s = pace.visitor_messages_per_s if kind == "visitor" else pace.agent_messages_per_s
        return Allowance(
            Bucket(pace.hellos_per_s, pace.hellos_burst),
            Bucket(pace.frames_per_s, pace.frames_burst),
            Bucket(messages_per_s, pace.burst),
        )

    def _forget_the_rested(self, now: float) -> None:
        self._people = {subject: left for subject, left in self._people.items() if not left.full(now)}
        # Not at every newcomer: the next look comes when there are twice as many.
        self._look_at = max(FEW, 2 * len(self._people))

    def __len__(self) -> int:
        return len(self._people)
