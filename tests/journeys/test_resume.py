"""Coming back: exactly what was missed, over any gap and any process; and what one tab does, the other sees."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.chat.journal import Draft, Journal, Outcome
from app.ids import ConversationId, uuid7
from tests.journeys.cast import AgentOnDuty
from tests.journeys.desk_model import DeskModel
from tests.journeys.stage import Stage
from tests.journeys.wire_client import Frame, WireClient, new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def written(stage: Stage, c: str, agent: WireClient, count: int, *, notes: bool = False) -> None:
    """The agent writes a lot in a moment, through a process whose bus reaches nobody."""
    journal = Journal(stage.database.raw, lambda draft, outcome: None)
    journal.start()
    outcomes: list[asyncio.Future[Outcome]] = []
    for number in range(count):
        outcomes.append(asyncio.get_running_loop().create_future())
        journal.post(
            Draft(
                conversation_id=ConversationId(UUID(c)),
                lane=int(notes),
                kind="note" if notes else "message",
                sender_kind="agent",
                sender_id=UUID(agent.snapshot["me"]["id"]),
                sender_name="Ana",
                m=uuid7(),
                body=json.dumps({"text": f"words {number}"}),
                done=outcomes[-1].set_result,
            )
        )
    assert {(await outcome).status for outcome in outcomes} <= {"ok"}
    await journal.stop()


async def a_chat(stage: Stage) -> tuple[WireClient, WireClient, AgentOnDuty, str]:
    """Vera on one process chats with Ana on the other."""
    shop = await stage.shop()
    duty = await shop.hire("Ana")
    ana, vera = await stage.agent(duty, stage.two), await stage.visitor(shop, stage.one)
    c, _ = await stage.chat(vera, ana)
    await vera.say(c, "hello")
    await ana.event("message", c=c)
    return vera, ana, duty, c


@pytest.mark.parametrize("missed", [0, 5, 299])
async def test_what_was_missed_comes_by_itself_and_nothing_else(stage: Stage, missed: int) -> None:
    vera, ana, _, c = await a_chat(stage)
    vera.cut()
    await written(stage, c, ana, missed)
    for at in (stage.one, stage.two):
        back = await stage.resumed(vera, at)
        await ana.say(c, f"welcome back to {at.url}")
        await back.until(lambda f, at=at: f.get("data") == {"text": f"welcome back to {at.url}"})
        came = [frame["s"] for frame in back.log if frame["t"] == "ev"]
        assert came == list(range(vera.have(c) + 1, vera.have(c) + 1 + len(came)))
        assert not [frame for frame in back.log if frame["t"] == "gap"]
        assert back.texts(c)[1 : 1 + missed] == [f"words {n}" for n in range(missed)]
        assert back.events[c, "public"] == await back.sync_all(c)


async def test_a_gap_of_500_is_told_and_paged(stage: Stage) -> None:
    vera, ana, _, c = await a_chat(stage)
    vera.cut()
    have = vera.have(c)
    await written(stage, c, ana, 500)
    back = await stage.resumed(vera, stage.two)
    await ana.say(c, "live again")
    live = await back.until(lambda f: f["t"] == "ev")
    gap = await back.until(lambda f: f["t"] == "gap")
    assert gap == {"t": "gap", "c": c, "lane": "public", "have": have, "head": have + 500}
    assert (live["s"], live["data"]) == (have + 501, {"text": "live again"})
    assert back.log.index(gap) < back.log.index(live)

    pages: list[list[Frame]] = []
    after = have
    while after < gap["head"]:
        page = await back.command({"t": "sync", "c": c, "lane": "public", "after": after, "limit": 200})
        assert 0 < len(page["events"]) <= 200
        assert page["head"] == have + 501
        assert page["more"] is (page["events"][-1]["s"] < page["head"])
        pages.append(page["events"])
        after = page["events"][-1]["s"]
    events = [event for page in pages for event in page]
    assert [event["s"] for event in events[:500]] == list(range(have + 1, have + 501))
    assert [event["data"]["text"] for event in events[:500]] == [f"words {n}" for n in range(500)]

    # Backwards: the newest page, and the one before it.
    newest = await back.command({"t": "sync", "c": c, "lane": "public", "limit": 50})
    assert [event["s"] for event in newest["events"]] == list(range(have + 452, have + 502))
    earlier = await back.command({"t": "sync", "c": c, "lane": "public", "before": have + 452, "limit": 50})
    assert [event["s"] for event in earlier["events"]] == list(range(have + 402, have + 452))
    assert (newest["more"], earlier["more"]) == (True, True)
    first = await back.command({"t": "sync", "c": c, "lane": "public", "before": 3})
    assert ([event["s"] for event in first["events"]], first["more"]) == ([1, 2], False)


async def test_301_are_a_gap_and_a_new_tab_gets_the_newest_50(stage: Stage) -> None:
    vera, ana, _, c = await a_chat(stage)
    vera.cut()
    await written(stage, c, ana, 301)
    back = await stage.resumed(vera)
    assert (await back.until(lambda f: f["t"] == "gap"))["head"] == vera.have(c) + 301
    fresh = WireClient(stage.one.url)
    stage.people.append(fresh)
    await fresh.open()
    await fresh.hello(vera.token)
    head = fresh.snapshot["conversation"]["public"]
    await fresh.until(lambda f: f.get("s") == head)
    assert [event["s"] for event in fresh.events[c, "public"]] == list(range(head - 49, head + 1))


async def test_a_position_from_the_future_counts_as_the_end(stage: Stage) -> None:
    vera, ana, duty, c = await a_chat(stage)
    ahead = {c: {"public": 99_999, "internal": 99_999}}
    tab = WireClient(stage.one.url)
    stage.people.append(tab)
    await tab.open()
    await tab.hello(vera.token, pos=ahead)
    second = await stage.agent(duty, stage.one, pos=ahead)
    said = await ana.say(c, "next")
    noted = await ana.command({"t": "note", "c": c, "m": new_id(), "body": {"text": "aside"}})
    await second.until(lambda f: f.get("kind") == "note")
    for client in (tab, second):
        await client.event("message")
        assert [e["s"] for e in client.events[c, "public"]] == [said["s"]]
        assert not [frame for frame in client.log if frame["t"] == "gap"]
    assert [e["s"] for e in second.events[c, "internal"]] == [noted["s"]]


async def test_an_agent_resumes_both_lanes_from_where_they_were(stage: Stage) -> None:
    vera, ana, duty, c = await a_chat(stage)
    await ana.command({"t": "note", "c": c, "m": new_id(), "body": {"text": "first note"}})
    await ana.until(lambda f: f.get("kind") == "note")
    pos = ana.pos()
    ana.cut()
    await written(stage, c, ana, 5)
    await written(stage, c, ana, 400, notes=True)
    back = await stage.agent(duty, stage.one, pos=pos)
    gap = await back.until(lambda f: f["t"] == "gap")
    assert (gap["lane"], gap["have"], gap["head"]) == ("internal", pos[c]["internal"], pos[c]["internal"] + 400)
    await back.until(lambda f: f.get("data") == {"text": "words 4"})
    assert back.texts(c) == [f"words {n}" for n in range(5)]
    await vera.say(c, "and on it goes")
    await back.until(lambda f: f.get("data") == {"text": "and on it goes"})
    # Who says nothing of positions starts at the heads of the snapshot.
    third = await stage.agent(duty, stage.two)
    await vera.say(c, "once more")
    await third.until(lambda f: f.get("data") == {"text": "once more"})
    assert third.texts(c) == ["once more"]


async def test_what_one_tab_does_the_other_sees(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana"), stage.two)
    vera = await stage.visitor(shop, stage.one)
    tabs = [vera, await stage.again(vera, shop, stage.two), await stage.again(vera, shop, stage.one)]
    assert [tab.snapshot["conversation"] for tab in tabs] == [None] * 3
    begun = await vera.command({"t": "start", "name": "Vera"})
    c = begun["c"]
    assert begun["dup"] is False
    for tab in tabs:
        await tab.event("joined", c=c)
    again = await tabs[1].command({"t": "start"})
    assert (again["c"], again["dup"], again["conversation"]["state"]) == (c, True, "active")
    for number, tab in enumerate(tabs):
        await tab.say(c, f"from tab {number}")
        for other in (*tabs, ana):
            await other.until(lambda f, n=number: f.get("data") == {"text": f"from tab {n}"})
    await ana.say(c, "I see all of you.")
    for tab in tabs:
        await tab.until(lambda f: f.get("data") == {"text": "I see all of you."})
    await tabs[2].command({"t": "end", "c": c})
    for tab in tabs:
        await tab.event("closed")
        assert tab.events[c, "public"] == vera.events[c, "public"]
        assert [e["s"] for e in tab.events[c, "public"]] == list(range(1, 8))


async def test_a_message_repeated_on_another_process_keeps_its_number(stage: Stage) -> None:
    vera, ana, _, c = await a_chat(stage)
    m, elsewhere = new_id(), await stage.resumed(vera, stage.two)
    first = await vera.say(c, "once", m)
    assert first["dup"] is False
    for client in (elsewhere, vera, elsewhere):
        again = await client.say(c, "once", m)
        assert (again["s"], again["at"], again["dup"]) == (first["s"], first["at"], True)
        other = await client.refused({"t": "send", "c": c, "m": m, "body": {"text": "twice"}})
        assert (other["code"], other.get("retry", False)) == ("conflict", False)
    # The key is Vera's own: Ana may use the same one.
    assert (await ana.say(c, "once", m))["dup"] is False
    await ana.until(lambda f: f.get("m") == m and f["from"]["kind"] == "visitor")
    assert [event["data"]["text"] for event in await ana.sync_all(c) if event["kind"] == "message"] == [
        "hello",
        "once",
        "once",
    ]


async def test_sixteen_may_be_on_their_way_and_the_next_waits(stage: Stage) -> None:
    vera, ana, _, c = await a_chat(stage)
    frames = [{"t": "send", "c": c, "m": new_id(), "body": {"text": f"words {n}"}} for n in range(19)]
    async with stage.database.sessions() as session:
        # While somebody holds the conversation, nothing that is sent is decided.
        await session.execute(text("SELECT 1 FROM conversation WHERE id = :c FOR UPDATE"), {"c": UUID(c)})
        answers = [ana.post(frame) for frame in frames]
        seventeenth, *later = await asyncio.gather(*answers[16:])
        assert (seventeenth["code"], seventeenth["retry"]) == ("rate_limited", True)
        assert [error["code"] for error in later] == ["out_of_order"] * 2
        assert not any(answer.done() for answer in answers[:16]), "nothing is acknowledged before its commit"
        assert not [frame for frame in vera.log if frame.get("data") == {"text": "words 0"}]
        await session.rollback()
    numbers = [answer["s"] for answer in await asyncio.gather(*answers[:16])]
    assert numbers == list(range(numbers[0], numbers[0] + 16))
    for frame in frames[16:]:
        await ana.command(frame)
    await vera.until(lambda f: f.get("data") == {"text": "words 18"})
    assert vera.texts(c) == ["hello", *(f"words {n}" for n in range(19))]


async def test_one_that_is_refused_for_good_does_not_hold_up_the_others(stage: Stage) -> None:
    vera, ana, _, c = await a_chat(stage)
    words = ["one", " ", "two", "x" * 5001, "three"]
    answers = await asyncio.gather(
        *(vera.post({"t": "send", "c": c, "m": new_id(), "body": {"text": each}}) for each in words)
    )
    assert [answer.get("code", "ok") for answer in answers] == ["ok", "empty", "ok", "too_large", "ok"]
    await ana.until(lambda f: f.get("data") == {"text": "three"})
    assert ana.texts(c) == ["hello", "one", "two", "three"]


async def test_whoever_comes_and_goes_while_others_write_misses_nothing(stage: Stage) -> None:
    vera, ana, _, c = await a_chat(stage)

    async def talk() -> None:
        for number in range(50):
            answer = await ana.post({"t": "send", "c": c, "m": new_id(), "body": {"text": f"words {number}"}})
            assert answer["t"] == "ok", answer
            await asyncio.sleep(0.1)

    seed = random.Random(7)
    talking = asyncio.create_task(talk())
    client, places = vera, 0
    while not talking.done():
        places += 1
        client.cut()
        client = await stage.resumed(client, (stage.one, stage.two)[places % 2])
        await asyncio.sleep(seed.random() / 5)
    await talking
    await client.until(lambda f: f.get("data") == {"text": "words 49"} or "words 49" in client.texts(c))
    assert client.texts(c) == ["hello", *(f"words {n}" for n in range(50))]
    assert places > 5


# What an agent's lists know


async def settled(stage: Stage, agents: list[tuple[AgentOnDuty, WireClient]], what: str) -> None:
    """Wait until every agent's lists, as events made them, are those of a fresh snapshot."""
    for place, (duty, client) in enumerate(agents):
        deadline = asyncio.get_running_loop().time() + 6
        while True:
            fresh = await stage.agent(duty, (stage.one, stage.two)[place % 2])
            known, true = DeskModel(), DeskModel()
            for frame in copy.deepcopy(client.log):
                known.apply(frame)
            true.apply(copy.deepcopy(fresh.snapshot))
            await fresh.close()
            stage.people.remove(fresh)
            if known.lists() == true.lists():
                break
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"after {what}, {duty.name}: {difference(known.lists(), true.lists())}"
            await asyncio.sleep(0.1)


def difference(known: Any, true: Any, where: str = "") -> str:
    """Return where two pictures of the world differ."""
    if isinstance(known, list) and isinstance(true, list) and len(known) == len(true):
        known, true = dict(enumerate(known)), dict(enumerate(true))
    if not (isinstance(known, dict) and isinstance(true, dict)):
        return "" if known == true else f"{where}: held {known}, is {true}; "
    missing = object()
    names = {**known, **true}
    return "".join(difference(known.get(n, missing), true.get(n, missing), f"{where}.{n}") for n in names)


async def test_a_snapshot_and_what_came_after_it_is_a_fresh_snapshot(stage: Stage) -> None:
    shop = await stage.shop()
    ana_duty, ben_duty = await shop.hire("Ana", capacity=2), await shop.hire("Ben", capacity=2)
    ana, ben = await stage.agent(ana_duty, stage.one), await stage.agent(ben_duty, stage.two)
    agents = [(ana_duty, ana), (ben_duty, ben)]
    fay = await stage.agent(await shop.hire("Fay", capacity=0))

    async def done(what: str) -> None:
        await settled(stage, agents, what)

    await ben.command({"t": "status", "accept": False})
    await ana.command({"t": "status", "accept": False})
    await done("status off")
    vera = await stage.visitor(shop, stage.two)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await done("start")
    await vera.say(c, "Is anybody there?")
    await done("a message while waiting")
    vera.cut()
    await done("the visitor leaves the page")
    vera = await stage.resumed(vera, stage.one)
    await done("the visitor is back")
    await ana.command({"t": "status", "accept": True})
    head = await ana.head(c, "active")
    await done("an offer and its acceptance")
    await vera.say(c, "Where is my teapot?")
    said = await ana.say(c, "On its way.")
    await ana.command({"t": "note", "c": c, "m": new_id(), "body": {"text": "patient"}})
    await vera.command({"t": "read", "c": c, "s": said["s"]})
    # What she reads in one window, the other hears of.
    window = await stage.agent(ana_duty, stage.two)
    await window.command({"t": "read", "c": c, "s": said["s"] - 1})
    await done("messages, a note and read marks")
    gen = (await ana.command({"t": "close", "c": c, "gen": head["gen"]}))["gen"]
    await done("close")
    await vera.command({"t": "rate", "c": c, "score": 4, "comment": "Good."})
    await done("a rating")
    await ana.command({"t": "note", "c": c, "m": new_id(), "body": {"text": "a note after the end"}})
    await done("a note on a closed conversation")
    gen = (await ben.command({"t": "reopen", "c": c, "gen": gen + 1}))["gen"]
    await done("reopen by the other agent")
    await vera.say(c, "Thank you!")
    await done("a message to the other agent")
    await vera.command({"t": "end", "c": c})
    await done("end by the visitor")

    vic = await stage.visitor(shop, stage.one)
    await ana.command({"t": "status", "accept": False})
    vics = (await vic.command({"t": "start", "name": "Vic"}))["c"]
    await ana.head(vics, "waiting")
    await done("another one waits")
    late: Frame = {"t": "leave_message", "m": new_id(), "email": "vic@example.com", "body": {"text": "Or by mail."}}
    tab = await stage.again(vic, shop, stage.two)
    assert (await tab.command(late))["c"] == vics
    await done("a message left while another window waits")
    await vic.command({"t": "leave", "c": vics})
    await done("leave")
    begun = await vic.command({"t": "start"})
    await done("back in line")
    await ben.command({"t": "claim", "c": vics, "gen": begun["gen"]})
    await done("claim")

    await fay.command({"t": "status", "accept": False})
    vin = await stage.visitor(shop, stage.two)
    left: Frame = {"t": "leave_message", "name": "Vin", "email": "vin@example.com", "body": {"text": "Please write."}}
    first = await vin.command({**left, "m": new_id()})
    await done("a message left")
    await vin.command({**left, "m": new_id(), "body": {"text": "I forgot to say."}})
    await done("another one")
    await ana.command({"t": "done", "c": first["c"]})
    await done("done")
    await vin.command({**left, "m": new_id(), "body": {"text": "And one more."}})
    await done("and one more")
    heads = [frame["head"] for frame in ana.log if frame["t"] == "head" and frame["head"]["c"] == first["c"]]
    await ana.command({"t": "reopen", "c": first["c"], "gen": heads[-1]["gen"]})
    await done("reopen to answer")
