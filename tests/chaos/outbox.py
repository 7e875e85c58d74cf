"""A client's outbox: what was written and not yet decided, sent again in order exactly as docs/protocol.md says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.chaos.ledger import Frame, Ledger, Sent
from tests.chaos.wire import Socket

MOST_IN_FLIGHT = 16


@dataclass(slots=True)
class _Thread:
    """One conversation's part: `waiting` in the order of writing; those in `flying` are on the present socket."""

    waiting: list[Sent] = field(default_factory=list)
    flying: set[str] = field(default_factory=set)
    failed: bool = False


class Outbox:
    """All of one person's undecided messages and notes.

    Args:
        ledger: is told what goes out and what comes back.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._threads: dict[str, _Thread] = {}
        self._socket: Socket | None = None

    def write(self, sent: Sent) -> None:
        """Put something in; it goes out as soon as it may."""
        self._threads.setdefault(sent.c, _Thread()).waiting.append(sent)
        self._pump(sent.c)

    def connected(self, socket: Socket) -> None:
        """A socket is ready: send again, in order, whatever was not decided."""
        self._socket = socket
        for c, thread in self._threads.items():
            thread.flying.clear()
            thread.failed = False
            self._pump(c)

    def disconnected(self) -> None:
        """The socket is gone; whatever was on it comes again."""
        self._socket = None

    @property
    def undecided(self) -> int:
        """How many wait for their outcome."""
        return sum(len(thread.waiting) for thread in self._threads.values())

    def _pump(self, c: str) -> None:
        thread, socket = self._threads[c], self._socket
        if socket is None or thread.failed:
            return
        for sent in thread.waiting:
            if len(thread.flying) >= MOST_IN_FLIGHT:
                return
            if sent.m not in thread.flying:
                thread.flying.add(sent.m)
                self._ledger.went_out(sent)
                kind = "note" if sent.lane == "internal" else "send"
                frame = {"t": kind, "c": c, "m": sent.m, "body": {"text": sent.text}}
                socket.post(frame, lambda answer, sent=sent: self._answered(socket, sent, answer))

    def _answered(self, socket: Socket, sent: Sent, answer: Frame | None) -> None:
        if answer is None:
            return
        thread = self._threads[sent.c]
        if answer["t"] == "ok":
            self._ledger.acknowledged(sent, answer)
        elif not answer.get("retry"):
            self._ledger.refused(sent, answer["code"])
        if sent.outcome is not None and sent in thread.waiting:
            thread.waiting.remove(sent)
        if socket is not self._socket:
            return
        thread.flying.discard(sent.m)
        if sent.outcome is None:
            self._ledger.noticed()
            thread.failed = True
        if not thread.failed:
            self._pump(sent.c)
        elif not thread.flying:
            # Everything is answered: now the failed one may come again, and the later ones behind it.
            wait_s = max(0.05, answer.get("after_ms", 200) / 1000)
            asyncio.get_running_loop().call_later(wait_s, self._again, socket, sent.c)

    def _again(self, socket: Socket, c: str) -> None:
        if socket is self._socket:
            self._threads[c].failed = False
            self._pump(c)
