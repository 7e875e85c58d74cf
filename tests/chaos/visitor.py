"""A visitor: asks, waits, talks, leaves, rates, comes back."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.ledger import Frame, Ledger
from tests.chaos.person import Doors, Person
from tests.chaos.wire import IDLE_SILENCE_S, SILENCE_S, Refused


class Visitor(Person):
    """Somebody on a site.

    Args:
        visitor_id: theirs, as in the database.
        token: theirs.
        language: what their browser speaks.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        doors: Doors,
        chance: random.Random,
        pace: float,
        visitor_id: str,
        token: str,
        language: str | None,
    ) -> None:
        super().__init__(name, ledger, doors, chance, pace)
        self.id = visitor_id
        self._token = token
        self._ask: Frame = {"t": "start", "name": name, **({"language": language} if language else {})}
        self.c: str | None = None
        self.state = "closed"
        self._early: set[str] = set()
        self.agent: str | None = None
        self._to_rate = False
        self._read = 0

    async def token(self, url: str) -> str:
        return self._token

    @property
    def silence_s(self) -> float:
        return IDLE_SILENCE_S if self.state == "closed" else SILENCE_S

    def places(self) -> Frame:
        """A visitor who reloaded the page remembers nothing: the newest events come."""
        if self.c is None or (self.c, "public") not in self.lanes:
            return {}
        if self.chance.random() < 0.1:
            del self.lanes[self.c, "public"]
            return {}
        have = self.lane(self.c, "public").have
        return {} if have is None else {self.c: {"public": have}}

    def arrived(self, snapshot: Frame) -> None:
        conversation = snapshot["conversation"]
        if conversation is None:
            self.state = "closed"
            return
        self._adopt(conversation)
        if conversation["public"] == 0:
            self.lane(conversation["c"], "public").begin(0)

    def heard(self, frame: Frame) -> None:
        if frame["t"] == "eph":
            self._heard_of(frame["c"])
        if frame["t"] in ("head", "offer", "me"):
            self.ledger.anomaly("I15", f"{self.name}, a visitor, got {frame['t']}")

    def _heard_of(self, c: str) -> None:
        """Somebody types. They may do so before the answer to `start` says which conversation it is."""
        if self.c is None:
            self._early.add(c)
        elif c != self.c:
            self.ledger.anomaly("I15", f"{self.name} heard of {c}")

    def may_hear(self, frame: Frame) -> str | None:
        if frame["lane"] != "public":
            return "an internal lane"
        if self.c is not None and frame["c"] != self.c:
            return "another's conversation"
        self._follow(frame)
        return None

    def _follow(self, frame: Frame) -> None:
        kind = frame["kind"]
        if kind == "queued" or kind == "requeued":
            self.state = "waiting"
        elif kind in ("joined", "reopened"):
            self.state = "active"
        elif kind == "closed":
            self._to_rate = self.state == "active"
            self.state = "closed"

    def _adopt(self, conversation: Frame) -> None:
        self.c, self.state = conversation["c"], conversation["state"]
        while self._early:
            self._heard_of(self._early.pop())

    async def act(self) -> None:
        dice = self.chance.random()
        if self.state == "closed":
            await self._between_chats(dice)
        elif self.state == "waiting":
            await self._in_line(dice)
        else:
            await self._in_chat(dice)

    async def _between_chats(self, dice: float) -> None:
        await self.pause(self.pace)
        if not self.ready.is_set():
            return
        if self._to_rate and self.c is not None:
            self._to_rate = False
            if dice < 0.6:
                await self.command({"t": "rate", "c": self.c, "score": self.chance.randint(1, 5)})
            return
        answer = await self.command(self._ask)
        if answer is not None:
            fresh = self.c is None
            self._adopt(answer["conversation"])
            if fresh and not answer["dup"]:
                self.lane(answer["c"], "public").begin(0)

    async def _in_line(self, dice: float) -> None:
        await self.pause(self.pace * 2)
        if self.state != "waiting" or self.c is None:
            return
        if dice < 0.5:
            self.say(self.c)
        elif dice < 0.53:
            await self.command({"t": "leave", "c": self.c})
        elif dice < 0.6:
            self.hop()

    async def _in_chat(self, dice: float) -> None:
        await self.pause(self.pace)
        if self.state != "active" or self.c is None:
            return
        if dice < 0.80:
            self.say(self.c)
        elif dice < 0.84:
            # Several at once: their order is what counts.
            for _ in range(self.chance.randint(2, 6)):
                self.say(self.c)
        elif dice < 0.90:
            have = self.lane(self.c, "public").have or 0
            if have > self._read:
                self._read = have
                await self.command({"t": "read", "c": self.c, "s": have})
        elif dice < 0.95:
            await self.command({"t": "typing", "c": self.c, "on": True})
        elif dice < 0.97:
            self.hop()
        elif dice < 0.985:
            await self.command({"t": "end", "c": self.c})

    async def refused(self, frame: Frame, error: Refused) -> None:
        if error.code == "no_agents":
            await asyncio.sleep(0.5)
        elif error.code == "conversation_closed":
            self.state = "closed"
        else:
            await super().refused(frame, error)
