"""An agent: takes chats, answers, writes notes, declines, closes, reopens; and now and then is late with a command."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.ledger import Frame, Ledger
from tests.chaos.person import Doors, Person
from tests.journeys.cast import AgentOnDuty

MOST_PLACES = 60


class Agent(Person):
    """Somebody who answers.

    Args:
        duty: their id and session.
        team: of whose conversations they may hear.
        lateness: how many of their acts are commands for a generation that has passed.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        doors: Doors,
        chance: random.Random,
        pace: float,
        duty: AgentOnDuty,
        team: str,
        lateness: float,
    ) -> None:
        super().__init__(name, ledger, doors, chance, pace)
        self.id = duty.id
        self._duty = duty
        self._team = team
        self._lateness = lateness
        self.heads: dict[str, Frame] = {}
        self.me: Frame = {}
        self._past: list[Frame] = []
        self._seen: set[str] = set()

    @property
    def mine(self) -> list[str]:
        """The conversations that are active with this agent, as their console shows them."""
        return [c for c, head in self.heads.items() if self._is_mine(head)]

    def _is_mine(self, head: Frame) -> bool:
        return head["state"] == "active" and head["agent"] is not None and head["agent"]["id"] == self.id

    async def token(self, url: str) -> str:
        answer = await self.doors.http.post(
            f"{url}/api/ticket",
            json={},
            headers={"Origin": self.doors.origin, "Cookie": f"deskbell={self._duty.session_token}"},
        )
        if answer.status_code != 200:
            raise ConnectionError(f"no ticket: {answer.status_code}")
        return answer.json()["ticket"]

    def places(self) -> Frame:
        pos: Frame = {}
        for c in self.mine[:MOST_PLACES]:
            public, internal = self.lane(c, "public").have, self.lane(c, "internal").have
            if public is not None and internal is not None:
                pos[c] = {"public": public, "internal": internal}
        return pos

    def arrived(self, snapshot: Frame) -> None:
        resumed = {c for (c, _), lane in self.lanes.items() if lane.owed is not None}
        self.heads = {}
        self.me = snapshot["me"]
        for head in snapshot["heads"]:
            self._look_at(head, resumed=head["c"] in resumed)
        for offer in snapshot["offers"]:
            self._answer(offer)

    def heard(self, frame: Frame) -> None:
        kind = frame["t"]
        if kind == "head":
            self._look_at(frame["head"])
        elif kind == "me":
            self.me = frame["me"]
        elif kind == "offer":
            if frame["head"]["team"]["id"] != self._team:
                self.ledger.anomaly("I15", f"{self.name} was offered a conversation of another team")
            self._answer(frame)

    def may_hear(self, frame: Frame) -> str | None:
        return None if frame["c"] in self._seen else "an event of a conversation that is not theirs"

    def _look_at(self, head: Frame, *, resumed: bool = False) -> None:
        if head["team"]["id"] != self._team:
            self.ledger.anomaly("I15", f"{self.name} heard of a conversation of another team")
            return
        self._seen.add(head["c"])
        known = self.heads.get(head["c"])
        age = (head["gen"], head["public"], head["internal"])
        if known is not None and age < (known["gen"], known["public"], known["internal"]):
            return
        was_mine = known is not None and self._is_mine(known)
        self.heads[head["c"]] = head
        self._past = [*self._past[-19:], head]
        if self._is_mine(head) and not was_mine:
            for name in ("public", "internal"):
                lane = self.lane(head["c"], name)
                lane.begin(head[name])
                if not resumed:
                    lane.owed = max(head[name], lane.owed or 0)
                    assert lane.have is not None
                    if lane.have < head[name]:
                        self.fill(head["c"], name)

    def _answer(self, offer: Frame) -> None:
        self._spawn(self._accept(offer["c"], offer["gen"]))

    async def _accept(self, c: str, gen: int) -> None:
        dice = self.chance.random()
        await self.ready.wait()
        if dice < 0.06 and not self.silent:
            await self.command({"t": "offer.decline", "c": c, "gen": gen})
        elif dice < 0.97 or self.silent:
            await self.command({"t": "offer.accept", "c": c, "gen": gen})
        # Else nobody is there: the offer runs out, and its agent has to say that they are back.

    async def act(self) -> None:
        await self.pause(self.pace)
        if not self.ready.is_set():
            return
        if self.me and not self.me["accept"]:
            await asyncio.sleep(0.5)
            await self.command({"t": "status", "accept": True})
            return
        if self.chance.random() < self._lateness:
            await self._too_late()
            return
        dice = self.chance.random()
        mine = self.mine
        if not mine or dice > 0.97:
            await self._about_others(dice)
            return
        c = self.chance.choice(mine)
        head = self.heads[c]
        if dice < 0.70:
            self.say(c)
        elif dice < 0.78:
            self.say(c, "internal")
        elif dice < 0.84:
            await self.command({"t": "read", "c": c, "s": self.lane(c, "public").have or 0})
        elif dice < 0.89:
            await self.command({"t": "close", "c": c, "gen": head["gen"]})
        elif dice < 0.91:
            self.hop()
        else:
            await self.command({"t": "typing", "c": c, "on": True})

    async def _too_late(self) -> None:
        """A command for a generation that has passed: a slow finger, a paused machine."""
        past = [h for h in self._past if h["c"] in self.heads and h["gen"] < self.heads[h["c"]]["gen"]]
        if not past:
            return
        head = self.chance.choice(past)
        kind = self.chance.choice(("offer.accept", "offer.decline", "close", "claim", "reopen"))
        await self.command({"t": kind, "c": head["c"], "gen": head["gen"]})

    async def _about_others(self, dice: float) -> None:
        if self.me.get("load", 99) >= self.me.get("capacity", 0):
            return
        waiting = [h for h in self.heads.values() if h["state"] == "waiting"]
        closed = [h for h in self.heads.values() if h["state"] == "closed"]
        if waiting and self.chance.random() < 0.5:
            head = self.chance.choice(waiting)
            await self.command({"t": "claim", "c": head["c"], "gen": head["gen"]})
        elif closed and self.chance.random() < 0.3:
            head = self.chance.choice(closed)
            await self.command({"t": "reopen", "c": head["c"], "gen": head["gen"]})
