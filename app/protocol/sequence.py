"""The receiver rule: where a reader of a lane stands, and what to do with the next event."""

from __future__ import annotations

from enum import Enum

MOST_HELD = 512
"""Early events kept for one reader of one lane; more of them are fetched again."""


class Verdict(Enum):
    """What to do with an event."""

    APPLY = "apply"
    DROP = "drop"
    FETCH = "fetch"


class Cursor:
    """A reader's place in one lane.

    Args:
        have: the highest sequence number already applied.

    Attributes:
        have: as above, rising by one with each event applied.
        head: the highest number known to exist; `head > have` means something must be fetched.
        fetching: whether somebody is reading the missing events right now; until then live ones are only held.
        stopping: whether the reader follows it only to the end of what is known to be missing.
        waiting: whether the missing events are given a moment to come by themselves.
    """

    __slots__ = ("_held", "fetching", "have", "head", "stopping", "waiting")

    def __init__(self, have: int) -> None:
        self.have = have
        self.head = have
        self.fetching = False
        self.stopping = False
        self.waiting = False
        self._held: dict[int, bytes] | None = None

    def judge(self, s: int) -> Verdict:
        """Say what to do with event `s`, and move forward if it is applied."""
        if s > self.head:
            self.head = s
        if s <= self.have:
            return Verdict.DROP
        if self.fetching:
            return Verdict.DROP
        if s == self.have + 1:
            self.have = s
            return Verdict.APPLY
        return Verdict.FETCH

    def hold(self, s: int, frame: bytes) -> None:
        """Keep an event that came before its predecessor."""
        if self._held is None:
            self._held = {}
        if len(self._held) < MOST_HELD:
            self._held[s] = frame

    def release(self) -> list[bytes]:
        """Return the held events whose turn has come, and move forward."""
        if self._held is None:
            return []
        ready: list[bytes] = []
        while (frame := self._held.pop(self.have + 1, None)) is not None:
            self.have += 1
            ready.append(frame)
        if self.have >= self.head:
            self._held = None
        return ready

    def fetched(self, s: int) -> bool:
        """Tell whether a fetched event `s` is the next one, and move forward if so."""
        if s != self.have + 1:
            return False
        self.have = s
        if self._held is not None:
            self._held.pop(s, None)
        if s > self.head:
            self.head = s
        return True

    @property
    def behind(self) -> bool:
        """Whether events are known to exist that were not applied yet."""
        return self.head > self.have
