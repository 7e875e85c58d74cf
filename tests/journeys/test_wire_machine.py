"""People who do whatever the wire allows, in any order, on two real server processes; in the end all agree.

Hypothesis makes the stories. They are the same every time; `pytest --hypothesis-seed=<number>` tells others, and a
story that fails is printed step by step.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from websockets.exceptions import ConnectionClosed

from tests.journeys.cast import AgentOnDuty
from tests.journeys.desk_model import DeskModel
from tests.journeys.stage import Stage, a_stage
from tests.journeys.wire_client import Frame, WireClient, new_id
from tests.real_servers import RealServers

STORIES, STEPS = 6, 40
LONG_S = 60
FAST = 60_000
"""Messages a minute: paces are tested elsewhere."""


@dataclass
class Person:
    """Somebody of the story: their socket (None while they are away), and what they were promised.

    Attributes:
        said: each message id with the conversation, lane, words, and the number it was acknowledged under (0 so far).
    """

    name: str
    client: WireClient
    away: bool = False
    c: str = ""
    said: dict[str, tuple[str, str, str, int]] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)


class Scene:
    """One stage and the loop on which everything of it happens; a machine's steps are not asynchronous."""

    runner: asyncio.Runner
    stage: Stage


WHO = st.sampled_from(("Vera", "Vic"))
WHERE = st.sampled_from((0, 1))
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co"))
WORDS = st.text(LETTERS, min_size=1, max_size=40).map(str.strip).filter(bool)
"""As they are stored: without white space at the ends."""


class Story(RuleBasedStateMachine):
    """Vera and Vic ask, Ana answers, Otto of another team must hear nothing of it."""

    def __init__(self) -> None:
        super().__init__()
        self.run = Scene.runner.run
        self.stage = Scene.stage

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        stage = self.stage
        await stage.forget_limits()
        self.shop = await stage.shop()
        self.duty: AgentOnDuty = await self.shop.hire("Ana", capacity=4)
        self.ana = Person("Ana", await stage.agent(self.duty, stage.two))
        self.otto = await stage.agent(await (await stage.shop()).hire("Otto"), stage.one)
        self.guests = {name: Person(name, await stage.visitor(self.shop, stage.one)) for name in ("Vera", "Vic")}
        for guest in self.guests.values():
            await self._starts(guest)
            await self.ana.client.head(guest.c, "active", within_s=LONG_S)

    # What they may do. Whatever is refused must be refused with one of the codes that fit.

    async def _starts(self, guest: Person) -> None:
        if self.ana.away:
            return
        answer = await self._ask(guest, {"t": "start"}, "no_agents")
        if answer is not None and answer["t"] == "ok":
            # Ana's client takes it by itself.
            guest.c = answer["c"]

    @rule(who=WHO, words=st.lists(WORDS, min_size=1, max_size=4))
    def says(self, who: str, words: list[str]) -> None:
        for each in words:
            self.run(self._says(self.guests[who], self.guests[who].c, each, "send"))

    @rule(to=WHO, words=WORDS, kind=st.sampled_from(("send", "note")))
    def answers(self, to: str, words: str, kind: str) -> None:
        self.run(self._says(self.ana, self.guests[to].c, words, kind))

    async def _says(self, person: Person, c: str, words: str, kind: str) -> None:
        if not c or person.away:
            return
        m = new_id()
        frame = {"t": kind, "c": c, "m": m, "body": {"text": words}}
        answer = await self._ask(person, frame, "conversation_closed", "not_yours")
        if answer is not None and answer["t"] == "ok":
            assert not answer["dup"]
            person.said[m] = (c, "internal" if kind == "note" else "public", words, answer["s"])

    @rule(who=st.sampled_from(("Vera", "Vic", "Ana")), which=st.integers(0, 50))
    def repeats(self, who: str, which: int) -> None:
        person = self.ana if who == "Ana" else self.guests[who]
        if person.said:
            self.run(self._repeats(person, list(person.said)[which % len(person.said)]))

    async def _repeats(self, person: Person, m: str) -> None:
        c, lane, words, s = person.said[m]
        kind = "send" if lane == "public" else "note"
        frame = {"t": kind, "c": c, "m": m, "body": {"text": words}}
        answer = await self._ask(person, frame)
        if answer is not None:
            assert (answer["t"], answer["s"], answer["dup"]) == ("ok", s, True), "the same number for ever"

    @rule(who=WHO, count=st.integers(1, 8))
    def says_much_and_is_cut_off(self, who: str, count: int) -> None:
        self.run(self._cut_off(self.guests[who], count))

    async def _cut_off(self, guest: Person, count: int) -> None:
        if not guest.c or guest.away:
            return
        for _ in range(count):
            m = new_id()
            guest.unsure.append(m)
            guest.client.post({"t": "send", "c": guest.c, "m": m, "body": {"text": f"unsure {m[-6:]}"}})
        await asyncio.sleep(0.005)
        guest.client.cut()
        guest.away = True

    @rule(who=WHO, where=WHERE)
    def is_cut_off_or_comes_back(self, who: str, where: int) -> None:
        guest = self.guests[who]
        if guest.away:
            self.run(self._comes_back(guest, where))
        else:
            guest.client.cut()
            guest.away = True

    async def _comes_back(self, guest: Person, where: int) -> None:
        if not guest.away:
            return
        guest.client = await self.stage.resumed(guest.client, (self.stage.one, self.stage.two)[where])
        guest.away = False
        # What was not acknowledged is sent again, in order.
        unsure, guest.unsure = guest.unsure, []
        for m in unsure:
            words = f"unsure {m[-6:]}"
            frame = {"t": "send", "c": guest.c, "m": m, "body": {"text": words}}
            answer = await self._ask(guest, frame, "conversation_closed")
            if answer is not None and answer["t"] == "ok":
                guest.said[m] = (guest.c, "public", words, answer["s"])

    @rule(where=WHERE)
    def ana_is_cut_off_or_comes_back(self, where: int) -> None:
        if self.ana.away:
            self.run(self._ana_comes_back(where))
        else:
            self.ana.client.cut()
            self.ana.away = True

    async def _ana_comes_back(self, where: int) -> None:
        if not self.ana.away:
            return
        earlier = self.ana.client
        client = WireClient((self.stage.one, self.stage.two)[where].url)
        self.stage.people.append(client)
        client.events.update({lane: list(events) for lane, events in earlier.events.items()})
        await client.open()
        await client.hello(await self.duty.ticket(client.url), pos=client.pos())
        self.ana.client, self.ana.away = client, False

    @rule(who=WHO, what=st.sampled_from(("end", "close", "reopen", "reopen", "start", "start", "rate")))
    def begins_or_ends(self, who: str, what: str) -> None:
        guest = self.guests[who]
        if what == "start":
            self.run(self._starts(guest))
        elif what == "end":
            self.run(self._ask(guest, {"t": "end", "c": guest.c}, "conversation_closed"))
        elif what == "rate":
            self.run(self._ask(guest, {"t": "rate", "c": guest.c, "score": 4}, "not_ratable"))
        else:
            self.run(self._moves(guest.c, what))

    async def _moves(self, c: str, kind: str) -> None:
        heads = [f["head"] for f in self.ana.client.log if f["t"] == "head" and f["head"]["c"] == c]
        heads += [head for head in self.ana.client.snapshot["heads"] if head["c"] == c]
        if heads:
            gen = max(head["gen"] for head in heads)
            codes = ("stale", "conversation_closed", "not_yours", "at_capacity", "invalid", "conflict")
            await self._ask(self.ana, {"t": kind, "c": c, "gen": gen}, *codes)

    @rule(who=WHO, ana=st.booleans(), s=st.integers(0, 60))
    def reads_and_types(self, who: str, ana: bool, s: int) -> None:
        guest = self.guests[who]
        person = self.ana if ana else guest
        if guest.c:
            self.run(self._ask(person, {"t": "read", "c": guest.c, "s": s}))
            self.run(self._ask(person, {"t": "typing", "c": guest.c, "on": True}))

    async def _ask(self, person: Person, frame: Frame, *codes: str) -> Frame | None:
        """Ask; None when they are away. A refusal needs one of these codes."""
        if person.away:
            return None
        try:
            answer = await asyncio.wait_for(person.client.post(frame), LONG_S)
            while answer.get("code") == "rate_limited":
                await asyncio.sleep(answer.get("after_ms", 50) / 1000)
                answer = await asyncio.wait_for(person.client.post(frame), LONG_S)
        except (ConnectionError, ConnectionClosed) as error:
            raise AssertionError(f"{person.name} was sent away: {error}") from error
        assert answer["t"] == "ok" or answer["code"] in codes, (frame, answer)
        return answer

    # What must be true in the end

    def teardown(self) -> None:
        if hasattr(self, "guests"):
            self.run(self._compare())

    async def _compare(self) -> None:
        try:
            for guest in self.guests.values():
                await self._comes_back(guest, 0)
            await self._ana_comes_back(1)
            for guest in self.guests.values():
                if guest.c:
                    await self._everybody_agrees(guest)
            await self._ana_knows_what_is()
            self._nobody_heard_what_is_not_theirs()
        finally:
            await self.stage.send_home()

    async def _everybody_agrees(self, guest: Person) -> None:
        lane, fresh = await self._settled(guest)
        assert [event["s"] for event in lane] == list(range(1, len(lane) + 1)), "dense"
        await until(lambda: guest.client.have(guest.c) == len(lane), f"{guest.name} has all that was said")
        assert_same(guest.client.events[guest.c, "public"], lane)
        internal = await self.ana.client.sync_all(guest.c, "internal")
        assert [event["s"] for event in internal] == list(range(1, len(internal) + 1))
        for name, events in (("public", lane), ("internal", internal)):
            held = self.ana.client.events[guest.c, name]
            if held:
                true = [event for event in events if event["s"] >= held[0]["s"]]
                assert_same(held, true[: len(held)])
        stored = {event["m"]: event for event in lane + internal}
        assert len(stored) == len(lane) + len(internal), "each once"
        for person in (guest, self.ana):
            mine = [(m, *promise) for m, promise in person.said.items() if promise[0] == guest.c]
            for m, _, where, words, s in mine:
                event = stored[m]
                assert (event["lane"], event["data"]["text"], event["s"]) == (where, words, s), "as it was acknowledged"
            public = [s for _, _, where, _, s in mine if where == "public"]
            assert public == sorted(public), "in the order in which it was said"
        assert fresh["state"] == state_after(lane)

    async def _settled(self, guest: Person) -> tuple[list[Frame], Frame]:
        """Return the public lane and a fresh snapshot's conversation, when the queue leaves both alone."""
        async with asyncio.timeout(LONG_S):
            while True:
                lane = await guest.client.sync_all(guest.c)
                again = await self.stage.visitor(self.shop, token=guest.client.token)
                fresh = again.snapshot["conversation"]
                await again.close()
                if (fresh["c"], fresh["public"]) == (guest.c, len(lane)):
                    return lane, fresh
                await asyncio.sleep(0.3)

    async def _ana_knows_what_is(self) -> None:
        known: Any = None
        true: Any = None
        for _ in range(100):
            fresh = await self.stage.agent(self.duty, self.stage.one)
            known, true = lists_of(self.ana.client.log), lists_of([fresh.snapshot])
            await fresh.close()
            self.stage.people.remove(fresh)
            if known == true:
                return
            await asyncio.sleep(0.3)
        assert known == true

    def _nobody_heard_what_is_not_theirs(self) -> None:
        for guest in self.guests.values():
            for frame in guest.client.log:
                assert frame.get("c", guest.c) == guest.c or frame["t"] == "ok", frame
                assert frame.get("lane") != "internal", frame
        assert not [frame for frame in self.otto.log if frame["t"] in ("ev", "eph", "offer", "head", "gap")]


def lists_of(frames: list[Frame]) -> Any:
    model = DeskModel()
    for frame in copy.deepcopy(frames):
        model.apply(frame)
    return model.lists()


def state_after(lane: list[Frame]) -> str:
    """The state of a conversation, as its public lane tells it."""
    states = {"queued": "waiting", "requeued": "waiting", "joined": "active", "reopened": "active", "closed": "closed"}
    return [states[event["kind"]] for event in lane if event["kind"] in states][-1]


def assert_same(held: list[Frame], true: list[Frame]) -> None:
    assert [(e["s"], e["kind"], e["m"], e["data"]) for e in held] == [
        (e["s"], e["kind"], e["m"], e["data"]) for e in true
    ]


async def until(condition: Any, what: str) -> None:
    deadline = asyncio.get_running_loop().time() + LONG_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"never: {what}"
        await asyncio.sleep(0.05)


@pytest.fixture
def scene(servers: RealServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two server processes of this test's own, without paces."""
    with asyncio.Runner() as runner:
        stage = a_stage(servers, tmp_path_factory.mktemp("story"), visitor_messages_per_minute=FAST)
        Scene.runner, Scene.stage = runner, runner.run(stage.__aenter__())
        try:
            yield
            for server in (Scene.stage.one, Scene.stage.two):
                assert "Traceback" not in server.log, server.log
        finally:
            runner.run(stage.__aexit__(None, None, None))


@pytest.mark.slow
def test_whatever_people_do_all_agree_on_what_was_said(scene: None) -> None:
    run_state_machine_as_test(
        Story,
        # A step costs milliseconds of real servers: a story that fails is told as it is.
        settings=settings(
            max_examples=STORIES, stateful_step_count=STEPS, phases=[Phase.explicit, Phase.generate], database=None
        ),
    )
