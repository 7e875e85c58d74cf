"""An agent: takes chats or lets them go, answers, writes notes, passes on, closes, reopens; is late now and then."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from tests.chaos.ledger import Frame, Ledger
from tests.chaos.person import Doors, Person
from tests.journeys.cast import AgentOnDuty

MOST_PLACES = 60


@dataclass(frozen=True)
class Shift:
    """What an agent has to do with others.

    Attributes:
        duty: their id and session.
        colleagues, teams: to whom they may pass a conversation on.
        lateness: how many of their acts are commands for a generation that has passed.
        helps_themselves: how many of their idle moments they use to take somebody who waits.
    """

    duty: AgentOnDuty
    lateness: float
    helps_themselves: float = 0.5
    colleagues: list[str] = field(default_factory=list[str])
    teams: list[str] = field(default_factory=list[str])


class Agent(Person):
    """Somebody who answers.

    Attributes:
        unwilling: they decline whatever they are asked.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        doors: Doors,
        chance: random.Random,
        pace: float,
        shift: Shift,
    ) -> None:
        super().__init__(name, ledger, doors, chance, pace)
        self.id = shift.duty.id
        self.shift = shift
        self.unwilling = False
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
            headers={"Origin": self.doors.origin, "Cookie": f"deskbell={self.shift.duty.session_token}"},
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
            self._answer(frame)

    def may_hear(self, frame: Frame) -> str | None:
        return None if frame["c"] in self._seen else "an event of a conversation that is not theirs"

    def _look_at(self, head: Frame, *, resumed: bool = False) -> None:
        self._seen.add(head["c"])
        self.ledger.glimpsed(self.id, head["c"])
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
        self.ledger.glimpsed(self.id, offer["c"])
        self._spawn(self._decide(offer["c"], offer["gen"], asked=offer["mode"] == "offer"))

    async def _decide(self, c: str, gen: int, *, asked: bool) -> None:
        """Take an offer or not. A client confirms by itself; who is asked thinks about it, and says no more often."""
        dice = self.chance.random()
        await self.ready.wait()
        if asked:
            await asyncio.sleep(self.chance.uniform(0, 2))
        declines, answers = (0.20, 0.94) if asked else (0.06, 0.97)
        if (dice < declines or self.unwilling) and not self.silent:
            await self.command({"t": "offer.decline", "c": c, "gen": gen})
        elif dice < answers or self.silent:
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
        if self.chance.random() < self.shift.lateness:
            await self._too_late()
            return
        dice = self.chance.random()
        mine = self.mine
        if not mine or dice > 0.97:
            await self._about_others(dice)
            return
        c = self.chance.choice(mine)
        head = self.heads[c]
        if dice < 0.62:
            self.say(c)
        elif dice < 0.70:
            self.say(c, "internal")
        elif dice < 0.75:
            await self.command({"t": "read", "c": c, "s": self.lane(c, "public").have or 0})
        elif dice < 0.82:
            await self.command({"t": "close", "c": c, "gen": head["gen"]})
        elif dice < 0.84:
            self.hop()
        elif dice < 0.95:
            await self._pass_on(head)
        else:
            await self.command({"t": "typing", "c": c, "on": True})

    async def _pass_on(self, head: Frame) -> None:
        """To a colleague, of whatever team, or to another team."""
        teams = [team for team in self.shift.teams if team != head["team"]["id"]]
        if teams and self.chance.random() < 0.4:
            to = {"team": self.chance.choice(teams)}
        elif self.shift.colleagues:
            to = {"agent": self.chance.choice(self.shift.colleagues)}
        else:
            return
        note = f"{self.name} asks for help" if self.chance.random() < 0.5 else ""
        await self.command({"t": "transfer", "c": head["c"], "gen": head["gen"], "note": note, **to})

    async def _too_late(self) -> None:
        """A command for a generation that has passed: a slow finger, a paused machine."""
        past = [h for h in self._past if h["c"] in self.heads and h["gen"] < self.heads[h["c"]]["gen"]]
        if not past:
            return
        head = self.chance.choice(past)
        kinds = ("offer.accept", "offer.decline", "close", "claim", "reopen", "transfer")
        frame: Frame = {"t": self.chance.choice(kinds), "c": head["c"], "gen": head["gen"]}
        if frame["t"] == "transfer":
            frame["agent"] = self.chance.choice([*self.shift.colleagues, self.id])
        await self.command(frame)

    async def _about_others(self, dice: float) -> None:
        if self.me.get("load", 99) >= self.me.get("capacity", 0):
            return
        waiting = [h for h in self.heads.values() if h["state"] == "waiting"]
        closed = [h for h in self.heads.values() if h["state"] == "closed"]
        if waiting and self.chance.random() < self.shift.helps_themselves:
            head = self.chance.choice(waiting)
            await self.command({"t": "claim", "c": head["c"], "gen": head["gen"]})
        elif closed and self.chance.random() < 0.3:
            head = self.chance.choice(closed)
            await self.command({"t": "reopen", "c": head["c"], "gen": head["gen"]})
