"""Clients that lie: each gets a code of the list, harms nobody else, and leaves no fault in the server's log."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.journeys.stage import Stage
from tests.journeys.test_wire_errors import AGENTS_COMMANDS, EVERYONES_COMMANDS, VISITORS_COMMANDS, message, note
from tests.journeys.wire_client import Frame, WireClient, new_id

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("innocents")]

MOST = 2**53
LONG_S = 60
PAGE: Frame = {"t": "page", "url": "https://shop.example/teapots", "title": "Teapots"}


async def test_who_claims_to_have_what_is_not_there_yet_gets_what_comes(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    await vera.say(c, "one")
    head = (await ana.event("message", c=c))["s"]
    for claimed in (head + 1, head + 1000, MOST):
        tab = await stage.again(vera, shop, pos={c: {"public": claimed, "internal": claimed}, new_id(): {"public": 5}})
        assert tab.snapshot["conversation"]["public"] == head
        said = await ana.say(c, f"after {claimed}")
        heard = await tab.event("message", c=c)
        assert (heard["s"], heard["data"]["text"]) == (said["s"], f"after {claimed}")
        head = said["s"]
        assert not [f for f in tab.log if f.get("lane") == "internal"]
        await tab.close()
    for place in (-1, MOST + 1, 2**70, 1.5, "1", None, True):
        client = WireClient(stage.one.url)
        await client.open()
        refusal = await client.refused({"t": "hello", "token": vera.token, "pos": {c: {"public": place}}})
        assert refusal["code"] == "invalid", place
        await client.close()


async def test_somebody_elses_message_id_is_just_an_id(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera, otto = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    d, _ = await stage.chat(otto, ana)
    m = new_id()
    first = await vera.say(c, "mine", m)
    assert (await otto.refused(message(c, "not yours", m)))["code"] == "not_found"
    await otto.say(d, "the same id, my own words", m)
    await ana.command(message(c, "the agent's, under the same id", m))
    again = await vera.say(c, "mine", m)
    assert (again["s"], again["dup"]) == (first["s"], True)
    assert (await vera.refused(message(c, "other words", m)))["code"] == "conflict"
    texts = [e["data"]["text"] for e in await vera.sync_all(c) if e["kind"] == "message"]
    assert texts == ["mine", "the agent's, under the same id"]
    assert [e["data"]["text"] for e in await otto.sync_all(d) if e["kind"] == "message"] == [
        "the same id, my own words"
    ]


async def test_nobody_has_read_what_was_never_said(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    last = (await vera.say(c, "one"))["s"]
    seen = len(vera.log)
    await ana.command({"t": "read", "c": c, "s": MOST})
    told = await vera.until(lambda f: f["t"] == "eph" and f["kind"] == "read", after=seen)
    assert told["data"] == {"by": "agent", "s": last}
    await ana.command({"t": "read", "c": c, "s": 0})
    for s in (-1, MOST + 1, 2**63, 2**70):
        assert (await ana.refused({"t": "read", "c": c, "s": s}))["code"] == "invalid"
    later = await stage.again(vera, shop)
    assert later.snapshot["conversation"]["read"] == {
        "visitor": later.snapshot["conversation"]["read"]["visitor"],
        "agent": last,
    }


async def test_a_session_that_is_replayed_changes_nothing(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana"))
    vera = await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    spoken: list[Frame] = [
        {"t": "hello", "token": vera.token},
        {"t": "start"},
        *(message(c, f"words {n}") for n in range(5)),
        {"t": "read", "c": c, "s": 3},
        {"t": "typing", "c": c, "on": True},
        PAGE,
    ]
    for frame in spoken[2:]:
        await vera.command(frame)
    before = await vera.sync_all(c)
    lines = [json.dumps({**frame, "id": number}) for number, frame in enumerate(spoken, 1)]
    for _ in range(3):
        thief = WireClient(stage.one.url)
        await thief.open()
        for each in lines:
            await thief.raw(each)
        # What is stored is answered after its commit: not always in the order that it came.
        for number in range(1, len(lines) + 1):
            await thief.until(lambda f, number=number: f["t"] in ("ok", "err") and f["id"] == number)
        answers = {f["id"]: f for f in thief.log if f["t"] in ("ok", "err")}
        assert [answers[number]["t"] for number in range(1, len(lines) + 1)] == ["ok"] * len(lines)
        assert answers[2]["dup"]
        assert [answers[number]["dup"] for number in range(3, 8)] == [True] * 5
        await thief.close()
    assert await vera.sync_all(c) == before
    await ana.command({"t": "close", "c": c, "gen": gen})
    assert (await ana.refused({"t": "close", "c": c, "gen": gen}))["code"] == "conversation_closed"


async def test_a_thousand_hellos_are_answered_as_long_as_they_are_few(stage: Stage) -> None:
    shop = await stage.shop()
    vera, vic = await stage.visitor(shop), await stage.visitor(shop)
    for _ in range(40):
        assert (await vera.refused({"t": "hello", "token": vera.token}))["code"] == "hello_first"
    await vera.close()
    waits_s: list[float] = []
    async with asyncio.timeout(LONG_S):
        while not waits_s:
            crowd = [WireClient(stage.one.url) for _ in range(60)]
            await asyncio.gather(*(client.open() for client in crowd))
            told = await asyncio.gather(*(client.post({"t": "hello", "token": vera.token}) for client in crowd))
            refused = [(client, answer) for client, answer in zip(crowd, told, strict=True) if answer["t"] == "err"]
            assert {answer["code"] for _, answer in refused} == {"rate_limited"}
            assert {await client.closed() for client, _ in refused} == {4009}
            # Too many windows do not say when there will be room; too many hellos do.
            waits_s = [answer["after_ms"] / 1000 for _, answer in refused if "after_ms" in answer]
            await asyncio.gather(*(client.close() for client in crowd))
    wait_s = max(waits_s)
    await vic.command(PAGE)
    await asyncio.sleep(wait_s)
    again = WireClient(stage.one.url)
    stage.people.append(again)
    while True:
        await again.open()
        answer = await again.post({"t": "hello", "token": vera.token})
        if answer["t"] == "ok":
            break
        await again.closed()
        await asyncio.sleep(answer.get("after_ms", 100) / 1000)
    await again.command(PAGE)


async def test_who_comes_back_does_not_begin_with_a_fresh_burst(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    told: list[Frame] = []
    client = vera
    for _ in range(3):
        told += await asyncio.gather(*(client.post(message(c, f"words {len(told) + n}")) for n in range(12)))
        await client.close()
        client = await stage.again(vera, shop)
    taken = sum(answer["t"] == "ok" for answer in told)
    codes = {answer["code"] for answer in told if answer["t"] == "err"}
    # Twenty at once and one a second: three fresh bursts would have let all 36 through.
    assert 20 <= taken < 36
    assert codes <= {"rate_limited", "out_of_order"}


NUMBERS: list[Any] = [-1, -(2**63), MOST + 1, 2**63, 2**64, 2**70, 10**300, 1.5, 1e300, "7", None, True, [], {}]


async def test_a_number_that_is_none_is_refused_wherever_it_stands(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    frames: list[tuple[WireClient, Frame, str]] = [
        (ana, {"t": "sync", "c": c, "lane": "internal"}, "after"),
        (ana, {"t": "sync", "c": c, "lane": "internal"}, "before"),
        (ana, {"t": "sync", "c": c, "lane": "internal"}, "limit"),
        (ana, {"t": "close", "c": c}, "gen"),
        (ana, {"t": "claim", "c": c}, "gen"),
        (ana, {"t": "reopen", "c": c}, "gen"),
        (ana, {"t": "offer.accept", "c": c}, "gen"),
        (ana, {"t": "offer.decline", "c": c}, "gen"),
        (vera, {"t": "read", "c": c}, "s"),
        (vera, {"t": "rate", "c": c}, "score"),
    ]
    for client, frame, name in frames:
        for number in NUMBERS:
            if number is None and name in ("after", "before"):
                continue
            answer = await paced(client, {**frame, name: number})
            assert (answer["t"], answer.get("code")) == ("err", "invalid"), (frame, name, number)
    for stale in (0, gen - 1, gen + 1, gen + 1000, MOST):
        for kind in ("close", "claim", "reopen", "offer.accept", "offer.decline"):
            if stale == gen - 1 and kind in ("claim", "offer.accept", "reopen"):
                # She got it that way, perhaps: whoever lost the answer asks again.
                continue
            answer = await paced(ana, {"t": kind, "c": c, "gen": stale})
            assert answer["t"] == "err", (kind, stale)
            assert answer["code"] in ("stale", "not_yours", "conversation_closed"), (kind, stale, answer)
    assert (await paced(ana, {"t": "close", "c": c, "gen": gen}))["t"] == "ok"


async def paced(client: WireClient, frame: Frame) -> Frame:
    """Ask, slower if need be."""
    while (answer := await client.post(frame)).get("code") == "rate_limited":
        await asyncio.sleep(answer["after_ms"] / 1000)
    return answer


async def test_what_is_deep_or_wide_is_refused_in_every_command(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    deep: Any = "end"
    for _ in range(40):
        deep = [deep]
    wide = {f"key {n}": n for n in range(300)}
    for client, commands in ((vera, VISITORS_COMMANDS + EVERYONES_COMMANDS), (ana, AGENTS_COMMANDS)):
        for make in commands:
            # The tenth frame that cannot be read closes a socket.
            tab = await stage.again(vera, shop) if client is vera else ana
            for odd in (deep, wide):
                if client is ana and make is not note:
                    break
                assert (await paced_line(tab, {**make(c), "odd": odd}))["code"] == "too_complex", make(c)
            assert (await paced(tab, {**make(c), "odd": 1}))["code"] == "invalid"
            if tab is not ana:
                await tab.close()


async def paced_line(client: WireClient, frame: Frame) -> Frame:
    """Send a frame that has no id for an answer; return the answer."""
    return await client.answer_to(json.dumps({**frame, "id": 9_000}))
