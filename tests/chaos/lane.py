"""One client's place in one lane: the receiver rule, and what the server owes on this connection."""

from __future__ import annotations

from tests.chaos.ledger import Frame, Ledger, Reading


class Lane:
    """What a client has of a lane.

    Args:
        ledger: keeps what is applied, and every breach of the rule.

    Attributes:
        have: the highest number applied; None before the first.
        owed: the number after which the server owes every event on the present connection; None when it may begin
            anywhere.
        fetching: whether the client pages for what it misses; live events are kept meanwhile.
    """

    def __init__(self, ledger: Ledger, who: str, c: str, lane: str) -> None:
        self._ledger = ledger
        self._kept: dict[int, Frame] = {}
        self.reading = Reading(who, c, lane)
        ledger.readings.append(self.reading)
        self.have: int | None = None
        self.owed: int | None = None
        self.fetching = False

    def begin(self, have: int) -> None:
        """A client that knows nothing of a lane begins to read after `have`."""
        if self.have is None:
            self.have = have

    def live(self, frame: Frame) -> bool:
        """Take an event that the server sent by itself. Returns False when the client must ask for what is missing."""
        s = frame["s"]
        if self.owed is not None and s > self.owed + 1:
            r = self.reading
            self._ledger.anomaly("I5", f"{r.who} got {r.lane} {s} of {r.c} after {self.owed}")
        self.owed = s if self.owed is None else max(self.owed, s)
        if self.have is None:
            self.have = s - 1
        if s <= self.have:
            return True
        if self.fetching or s > self.have + 1:
            self._kept[s] = frame
            return self.fetching
        self._apply(frame, live=True)
        self._release()
        return True

    def page(self, events: list[Frame]) -> None:
        """Take a page that the client asked for."""
        for frame in events:
            if self.have is None:
                self.have = frame["s"] - 1
            if frame["s"] == self.have + 1:
                self._apply(frame, live=False)
            elif frame["s"] > self.have + 1:
                r = self.reading
                self._ledger.anomaly("I5", f"a page for {r.who} leaps from {self.have} to {frame['s']} in {r.c}")
                return

    def fetched(self) -> None:
        """All pages have come: go on with what came live meanwhile."""
        self.fetching = False
        self._release()

    @property
    def behind(self) -> bool:
        """Whether the client knows of events that it has not."""
        return max(self.owed or 0, *self._kept, 0) > (self.have or 0)

    def _release(self) -> None:
        assert self.have is not None, "something was applied"
        while (frame := self._kept.pop(self.have + 1, None)) is not None:
            self._apply(frame, live=True)
        for s in [s for s in self._kept if s <= self.have]:
            del self._kept[s]

    def _apply(self, frame: Frame, *, live: bool) -> None:
        self.have = frame["s"]
        self._ledger.applied(self.reading, frame, live=live)
