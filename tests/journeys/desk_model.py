"""A console in thirty lines, made from docs/protocol.md alone: what an agent knows after a snapshot and some frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.journeys.wire_client import Frame

PREVIEW = 160


@dataclass
class DeskModel:
    """What one agent's lists are made of."""

    me: Frame = field(default_factory=dict)
    heads: dict[str, Frame] = field(default_factory=dict)
    offers: dict[str, int] = field(default_factory=dict)

    def apply(self, frame: Frame) -> None:
        """Take one frame in, by the page's rules."""
        match frame["t"]:
            case "snapshot":
                self.me = frame["me"]
                self.heads = {head["c"]: head for head in frame["heads"]}
                self.offers = {offer["c"]: offer["gen"] for offer in frame["offers"]}
            case "head":
                self._keep(frame["head"])
            case "me":
                self.me = frame["me"]
            case "offer":
                self._keep(frame["head"])
                if self.heads[frame["c"]]["gen"] == frame["gen"]:
                    self.offers[frame["c"]] = frame["gen"]
            case "offer.gone" if self.offers.get(frame["c"]) == frame["gen"]:
                del self.offers[frame["c"]]
            case "ev" if frame["c"] in self.heads:
                self._grow(self.heads[frame["c"]], frame)
            case "eph" if frame["c"] in self.heads:
                self._pass(self.heads[frame["c"]], frame)
            case _:
                pass

    def lists(self) -> dict[str, Any]:
        """Return the lists of the console, and the agent's own status."""
        mine = {c: h for c, h in self.heads.items() if h["state"] == "active" and h["agent"]["id"] == self.me["id"]}
        waiting = [h for h in self.heads.values() if h["state"] in ("waiting", "offered")]
        messages = {c: h for c, h in self.heads.items() if h["left_message"]}
        closed = {
            c for c, h in self.heads.items() if h["state"] == "closed" and (h["agent"] or {}).get("id") == self.me["id"]
        }
        return {
            "me": self.me,
            "offers": self.offers,
            "mine": {c: _compared(head, followed=True) for c, head in mine.items()},
            "waiting": [_compared(head) for head in sorted(waiting, key=lambda head: head["queued_at"])],
            "messages": {c: _compared(head) for c, head in messages.items()},
            "closed": {c: _compared(self.heads[c]) for c in closed},
        }

    def _keep(self, head: Frame) -> None:
        held = self.heads.get(head["c"])
        if held is None or _age(head) >= _age(held):
            self.heads[head["c"]] = head
        if self.heads[head["c"]]["state"] != "offered":
            self.offers.pop(head["c"], None)

    def _grow(self, head: Frame, event: Frame) -> None:
        if event["s"] <= head[event["lane"]]:
            return
        head[event["lane"]] = event["s"]
        if event["kind"] == "message":
            sender, words = event["from"]["kind"], event["data"]["text"][:PREVIEW]
            head["preview"] = {"text": words, "from": sender, "at": event["at"]}

    def _pass(self, head: Frame, frame: Frame) -> None:
        if frame["kind"] == "read":
            by = frame["data"]["by"]
            head["read"] = {**head["read"], by: max(head["read"][by], frame["data"]["s"])}
        if frame["kind"] == "presence":
            head["online"] = frame["data"]["online"]


def _age(head: Frame) -> tuple[int, int, int]:
    return head["gen"], head["public"], head["internal"]


def _compared(head: Frame, *, followed: bool = False) -> Frame:
    """Leave out what is told only to those who follow a conversation."""
    passing = {"page"} if followed else {"page", "read"}
    return {name: value for name, value in head.items() if name not in passing}
