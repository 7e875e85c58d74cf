"""Agents who do everything at once: accept, decline, claim, pass on, close."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.ledger import Fenced
from tests.journeys.wire_client import Frame, WireClient

DECLINED = 0.08
PASSED_TO_AGENT = 0.12
PASSED_TO_TEAM = 0.06
CLAIMED_AT_ONCE = 0.1
SERVED_S = (0.5, 3.0)
"""About as long as all slots together take the arrivals of the race: a line forms on a fast machine too."""


@dataclass
class Race:
    """What all of one race share.

    Attributes:
        claims: how many are still to be posted.
        pace: how many times longer than SERVED_S a chat takes.
        done: what was carried out and what was refused, by command.
        fenced: the commands that were carried out, as the invariants want them.
    """

    claims: int
    pace: float = 1
    done: Counter[str] = field(default_factory=Counter)
    fenced: list[Fenced] = field(default_factory=list)


class Racer:
    """One agent. Whatever they hear of, they do something about, each at their own pace."""

    def __init__(self, client: WireClient, team: str, race: Race, random: Random) -> None:
        self.client, self.team, self._race, self._random = client, team, race, random
        self.id: str = client.snapshot["me"]["id"]
        self.colleagues: list[str] = []
        self.other_team = ""
        self._waiting: dict[str, int] = {}
        self._begun: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Do so until cancelled."""
        place = 0
        try:
            while True:
                await self.client.until(lambda _: True, after=place, within_s=600)
                for frame in self.client.log[place:]:
                    self._hear(frame)
                place = len(self.client.log)
        finally:
            for task in self._tasks:
                task.cancel()

    def _hear(self, frame: Frame) -> None:
        if frame["t"] == "offer":
            declines = self._random.random() < DECLINED
            self._soon(self._try("offer.decline" if declines else "offer.accept", frame["c"], frame["gen"]))
        elif frame["t"] == "head":
            head = frame["head"]
            c, gen = head["c"], head["gen"]
            self._waiting.pop(c, None)
            if head["state"] == "waiting" and head["team"]["id"] == self.team:
                self._waiting[c] = gen
                if self._random.random() < CLAIMED_AT_ONCE:
                    # Whoever is quick: the queue is about to offer it.
                    self._soon(self._claim(c))
            elif head["state"] == "active" and head["agent"]["id"] == self.id and (c, gen) not in self._begun:
                self._begun.add((c, gen))
                self._soon(self._serve(c, gen))
        elif frame["t"] == "me" and not frame["me"]["accept"]:
            # A busy machine let an offer expire.
            self._soon(self._ask({"t": "status", "accept": True}))

    def _soon(self, deed: Any) -> None:
        task = asyncio.create_task(deed)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, c: str, gen: int) -> None:
        """Talk for a moment, then close the conversation or pass it on."""
        luck = self._random.random()
        await asyncio.sleep(self._random.uniform(*SERVED_S) * self._race.pace)
        if luck < PASSED_TO_AGENT and await self._try("transfer", c, gen, agent=self._random.choice(self.colleagues)):
            return
        if PASSED_TO_AGENT < luck < PASSED_TO_AGENT + PASSED_TO_TEAM and await self._try(
            "transfer", c, gen, team=self.other_team
        ):
            return
        if await self._try("close", c, gen):
            # For a moment there is room: the queue fills it, and so does whoever is quick.
            while self._waiting:
                if not await self._claim(self._random.choice(list(self._waiting)[:4])) or self._random.random() < 0.5:
                    break

    async def _claim(self, c: str) -> bool:
        """Take somebody out of the line, if they still stand there and not enough was claimed."""
        gen = self._waiting.get(c)
        if gen is None or not self._race.claims:
            return False
        self._race.claims -= 1
        return await self._try("claim", c, gen)

    async def _try(self, command: str, c: str, gen: int, **more: str) -> bool:
        """Do it; others may have been quicker."""
        answer = await self._ask({"t": command, "c": c, "gen": gen, **more})
        self._race.done[command if answer["t"] == "ok" else f"{command}: {answer['code']}"] += 1
        # What was passed on and is declined goes straight back to its sender: two generations in one act.
        if answer["t"] == "ok" and command != "offer.decline":
            self._race.fenced.append(Fenced(0, self.id, command, c, gen, answer["gen"]))
        return answer["t"] == "ok"

    async def _ask(self, frame: Frame) -> Frame:
        return await insist(self.client, frame)


async def insist(client: WireClient, frame: Frame) -> Frame:
    """Send a command again for as long as the server asks for that: a busy one may."""
    while True:
        answer = await asyncio.wait_for(client.post(frame), 60)
        if answer["t"] == "ok" or not answer.get("retry"):
            return answer
        await asyncio.sleep(answer.get("after_ms", 200) / 1000)
