"""People who talk on whatever happens, as a proper client does: what was not acknowledged is sent again, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from uuid import UUID

import httpx2
from websockets.exceptions import WebSocketException

from tests.journeys.cast import AgentOnDuty, Shop
from tests.journeys.server_process import ServerProcess
from tests.journeys.stage import Stage
from tests.journeys.wire_client import Frame, Refused, WireClient, new_id

AWAY = (OSError, ConnectionError, TimeoutError, WebSocketException, httpx2.HTTPError, AssertionError, Refused)
"""How it looks when a server process is not there, or not just now."""
PATIENCE_S = 60.0


class Talker:
    """One end of a chat.

    Attributes:
        said: what was acknowledged, in order: (number, words).
        refusals: the codes of all refusals, in order.
        returns: how often they had to connect again.
    """

    def __init__(self, client: WireClient, c: str, name: str, credential: Callable[[], Awaitable[str]]) -> None:
        self.client, self.c, self.name = client, c, name
        self._credential = credential
        self.said: list[tuple[int, str]] = []
        self.refusals: list[str] = []
        self.returns = 0

    async def talk(self, until: asyncio.Event, pause_s: float) -> None:
        """Say one thing after another."""
        while not until.is_set():
            await self.say(f"{self.name} says {len(self.said)}")
            # Whoever is sent away comes back at once, not only when they have something to say.
            with suppress(TimeoutError):
                await self.client.closed(within_s=pause_s)

    async def say(self, words: str) -> None:
        """Say something, again and again until it is acknowledged."""
        message: Frame = {"t": "send", "c": self.c, "m": new_id(), "body": {"text": words}}
        began = monotonic()
        while True:
            assert monotonic() - began < PATIENCE_S, f"{self.name} was not heard: {self.refusals[-3:]}"
            try:
                answer = await asyncio.wait_for(self.client.post(message), 30)
            except ConnectionError:
                await self.come_back()
                continue
            if answer["t"] == "ok":
                break
            assert answer.get("retry"), answer
            self.refusals.append(answer["code"])
            await asyncio.sleep(answer.get("after_ms", 100) / 1000)
        self.said.append((answer["s"], words))

    async def come_back(self) -> None:
        """Connect again, and resume where they stood."""
        self.returns += 1
        began, wait = monotonic(), 0.1
        while True:
            try:
                await self.client.close()
                await self.client.open()
                await self.client.hello(await self._credential(), pos=self.client.pos())
                return
            except AWAY:
                if monotonic() - began > PATIENCE_S:
                    raise
                await asyncio.sleep(wait)
                wait = min(2 * wait, 1.0)


async def pair(stage: Stage, shop: Shop, number: int, at: Sequence[ServerProcess] = ()) -> tuple[Talker, Talker]:
    """A visitor and an agent in a chat, on these two server processes."""
    one, two = at or (stage.one, stage.two)
    duty: AgentOnDuty = await shop.hire(f"Ana {number}", capacity=1)
    agent = await stage.agent(duty, two)
    visitor = await stage.visitor(shop, one)
    c, _ = await stage.chat(visitor, agent)

    async def visitors_token() -> str:
        return visitor.token

    return (
        Talker(visitor, c, f"Vera {number}", visitors_token),
        Talker(agent, c, f"Ana {number}", lambda: duty.ticket(two.url)),
    )


@asynccontextmanager
async def talking(pairs: Sequence[tuple[Talker, Talker]], pause_s: float = 0.05) -> AsyncIterator[None]:
    """All talk while the block runs, and to the end of their last sentence."""
    over = asyncio.Event()
    talks = [asyncio.create_task(talker.talk(over, pause_s)) for both in pairs for talker in both]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*talks)


async def all_is_well(stage: Stage, pairs: Sequence[tuple[Talker, Talker]]) -> None:
    """What was acknowledged is in the database once, in its sender's order, and everybody has heard all of it."""
    for both in pairs:
        c = both[0].c
        rows = await stage.sql(
            "SELECT seq, body->>'text' AS words FROM message "
            "WHERE conversation_id = :c AND lane = 0 AND kind = 'message' ORDER BY seq",
            c=UUID(c),
        )
        stored = [(row.seq, row.words) for row in rows]
        assert stored == sorted(both[0].said + both[1].said), "acknowledged and stored are the same"
        words = [words for _, words in stored]
        for talker in both:
            own = [each for each in words if each.startswith(talker.name + " ")]
            assert own == [words for _, words in talker.said], "nobody's order was changed"
        for talker in both:
            deadline = monotonic() + 15
            while await heard_by(talker) != words:
                if talker.client.close_code is not None:
                    await talker.come_back()
                assert monotonic() < deadline, f"{talker.name} heard {talker.client.texts(c)[-3:]} of {words[-3:]}"
                await asyncio.sleep(0.05)


async def heard_by(talker: Talker) -> list[str]:
    """All messages that they know of; whoever was away for long was told of a gap, and pages through it."""
    client = talker.client
    if client.close_code is None and any(frame["t"] == "gap" for frame in client.log):
        return [event["data"]["text"] for event in await client.sync_all(talker.c) if event["kind"] == "message"]
    return client.texts(talker.c)


async def everybody_spoke(pairs: Sequence[tuple[Talker, Talker]], more: int = 2) -> None:
    """Wait until everybody was acknowledged some more times."""
    talkers = [talker for both in pairs for talker in both]
    goals = [len(talker.said) + more for talker in talkers]
    async with asyncio.timeout(PATIENCE_S):
        while any(len(talker.said) < goal for talker, goal in zip(talkers, goals, strict=True)):
            await asyncio.sleep(0.02)
