"""Every way in which the socket says no, from the tables of docs/protocol.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode

from app.identity.tokens import issue_visitor_token
from app.ids import SiteId, VisitorId
from tests.journeys.cast import Shop
from tests.journeys.stage import Stage, without_id
from tests.journeys.wire_client import Frame, WireClient, agent_ticket, new_id, visitor_session

pytestmark = pytest.mark.asyncio(loop_scope="session")

KIB = 1024
LARGEST_FRAME = 64 * KIB
NOBODYS = "0198c0de-0000-7000-8000-00000000dead"


def message(c: str, words: str = "hello", m: str | None = None) -> Frame:
    return {"t": "send", "c": c, "m": m or new_id(), "body": {"text": words}}


def note(c: str, words: str = "hello", m: str | None = None) -> Frame:
    return {**message(c, words, m), "t": "note"}


def line(frame: Frame, id: int = 900) -> str:  # noqa: A002 (the wire's own word)
    return json.dumps({**frame, "id": id})


VISITORS_COMMANDS: list[Callable[[str], Frame]] = [
    lambda c: {"t": "start"},
    lambda c: {"t": "leave_message", "m": new_id(), "email": "vera@example.com", "body": {"text": "hello"}},
    lambda c: {"t": "leave", "c": c},
    lambda c: {"t": "end", "c": c},
    lambda c: {"t": "rate", "c": c, "score": 5},
    lambda c: {"t": "page", "url": "https://shop.example/", "title": "Shop"},
]
AGENTS_COMMANDS: list[Callable[[str], Frame]] = [
    lambda c: {"t": "offer.accept", "c": c, "gen": 1},
    lambda c: {"t": "offer.decline", "c": c, "gen": 1},
    lambda c: {"t": "status", "accept": True},
    lambda c: {"t": "claim", "c": c, "gen": 1},
    lambda c: {"t": "close", "c": c, "gen": 1},
    lambda c: {"t": "reopen", "c": c, "gen": 1},
    lambda c: {"t": "done", "c": c},
    note,
    lambda c: {"t": "watch", "c": c},
    lambda c: {"t": "unwatch", "c": c},
]
EVERYONES_COMMANDS: list[Callable[[str], Frame]] = [
    message,
    lambda c: {"t": "read", "c": c, "s": 1},
    lambda c: {"t": "typing", "c": c, "on": True},
    lambda c: {"t": "sync", "c": c, "lane": "public", "after": 0},
]


async def still_there(client: WireClient) -> None:
    """The connection goes on: a command is carried out."""
    await client.command({"t": "status", "accept": True} if client.snapshot["role"] == "agent" else PAGE)


PAGE = {"t": "page", "url": "https://shop.example/teapots", "title": "Teapots"}


# What cannot be read

SENDABLE = '{"t":"send","id":41,"c":"%s","m":"0198c0de-0000-7000-8000-00000000beef","body":{"text":"hello"}}'
NOT_JSON = {
    "half an object": '{"t":"send"',
    "nothing at all": "",
    "a bare word": "hello",
    "a comment": '{"t":"pong"} // hi',
    "not a number": '{"t":"read","id":41,"c":"%s","s":NaN}',
    "without end": '{"t":"read","id":41,"c":"%s","s":Infinity}',
    "a key that stands twice": SENDABLE.replace('"id":41', '"id":41,"id":42'),
    "a key that stands twice, with a blank": SENDABLE.replace('"id":41', '"id" :41,"id":42'),
}
TOO_COMPLEX = {
    "seventeen deep": '{"t":"send","id":41,"body":' + "[" * 16 + "]" * 16 + "}",
    "a bottomless pit": "[" * 60_000,
    "201 keys": '{"t":"send","id":41,' + ",".join(f'"key {n}":1' for n in range(199)) + "}",
}
WRONG_SHAPE = {
    "no object": "[1,2]",
    "no type": '{"id":41}',
    "no number": '{"t":"read","c":"%s","s":1}',
    "number nought": '{"t":"read","id":0,"c":"%s","s":1}',
    "a number that is text": '{"t":"read","id":"41","c":"%s","s":1}',
    "a huge number": '{"t":"read","id":41,"c":"%s","s":99999999999999999999}',
    "a power of ten": '{"t":"read","id":41,"c":"%s","s":1e999}',
    "an unknown field": SENDABLE.replace('"id"', '"colour":"red","id"'),
    "an unknown field of the body": SENDABLE.replace('"text"', '"html":"<b>","text"'),
    "a missing field": '{"t":"send","id":41,"c":"%s","body":{"text":"hello"}}',
    "text that is a number": SENDABLE.replace('"hello"', "5"),
    "text that is null": SENDABLE.replace('"hello"', "null"),
    "an id that is none": SENDABLE.replace("%s", "../../etc/passwd"),
    "an unknown lane": '{"t":"sync","id":41,"c":"%s","lane":"secret"}',
    "after and before": '{"t":"sync","id":41,"c":"%s","lane":"public","after":1,"before":2}',
    "a page of 201": '{"t":"sync","id":41,"c":"%s","lane":"public","limit":201}',
    "six stars": '{"t":"rate","id":41,"c":"%s","score":6}',
    "a page of another kind": '{"t":"page","id":41,"url":"javascript:alert(1)"}',
    "an address that is none": '{"t":"start","id":41,"email":"vera at example"}',
}
UNKNOWN = {
    "an unknown type": '{"t":"dance","id":41}',
    "a server's type": '{"t":"snapshot","id":41}',
}
BAD_TEXT = {
    "U+0000": SENDABLE.replace("hello", r"hel\u0000lo"),
    "half a surrogate pair": SENDABLE.replace("hello", r"hel\ud800lo"),
    "a bell": SENDABLE.replace("hello", r"hel\u0007lo"),
    "an escape sequence": SENDABLE.replace("hello", r"\u001b[31mred"),
    "delete": SENDABLE.replace("hello", r"\u007f"),
    "a name with a bell": r'{"t":"start","id":41,"name":"Ve\u0007ra"}',
}
TOO_LARGE = {
    "5,001 letters": SENDABLE.replace("hello", "x" * 5001),
    "5,001 faces": SENDABLE.replace("hello", "\U0001f600" * 5001),
    "a comment of 2,001 letters": '{"t":"rate","id":41,"c":"%s","score":5,"comment":"' + "x" * 2001 + '"}',
}
EMPTY = {
    "no words": SENDABLE.replace("hello", ""),
    "nothing but white space": SENDABLE.replace("hello", r" \t\n \u3000"),
}
REFUSED = {
    "bad_json": NOT_JSON,
    "too_complex": TOO_COMPLEX,
    "invalid": WRONG_SHAPE,
    "unknown_type": UNKNOWN,
    "bad_text": BAD_TEXT,
    "too_large": TOO_LARGE,
    "empty": EMPTY,
}


async def test_what_cannot_be_taken_is_refused_and_the_connection_stays(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    for code, rows in REFUSED.items():
        # The tenth that cannot be read closes a socket; each kind gets one of its own.
        client = await stage.again(vera, shop)
        for what, text in rows.items():
            error = await client.answer_to(text.replace("%s", c))
            numbered = '"id":41' in text and code not in ("bad_json", "too_complex")
            assert (error["t"], error["code"], error["id"]) == ("err", code, 41 if numbered else None), what
            assert error["message"], what
            assert not error.get("retry", False), what
        await client.command(PAGE)
        await client.close()
    await vera.say(c, "still here")
    await ana.until(lambda f: f.get("data") == {"text": "still here"})
    assert ana.texts(c) == ["still here"], "nothing of it was stored"


async def test_many_scripts_faces_and_storms_of_accents_are_just_text(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    said = [
        "\U0001f469\u200d\U0001f467 grüße",
        "\u0645\u0631\u062d\u0628\u0627 \u202eabc\u202c",
        "e" + "\u0301" * 400,
        "tab\tand\nline",
        "'; DROP TABLE message; --",
        '<img src=x onerror="alert(1)">',
        "{{visitor.name}} {% x %}",
        "\U0001f600" * 5000,
    ]
    for words in said:
        await vera.say(c, words)
    await ana.until(lambda f: f["t"] == "ev" and f.get("data") == {"text": said[-1]})
    assert ana.texts(c) == said
    assert [e["data"]["text"] for e in await vera.sync_all(c) if e["kind"] == "message"] == said


async def test_several_commands_in_one_frame_are_answered_one_by_one(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    seen = len(vera.log)
    lines = [line(message(c, "one"), 51), "rubbish", line(message(c, "two"), 52), line({"t": "dance"}, 53)]
    await vera.raw("\n".join(lines))
    await vera.until(lambda f: f.get("id") == 52 and f["t"] == "ok", after=seen)
    answers = {f["id"]: f.get("code", "ok") for f in vera.log[seen:] if f["t"] in ("ok", "err")}
    assert answers == {51: "ok", None: "bad_json", 52: "ok", 53: "unknown_type"}
    await ana.until(lambda f: f.get("data") == {"text": "two"})
    assert ana.texts(c) == ["one", "two"]


async def test_the_tenth_unreadable_frame_closes_the_socket_and_the_ninth_does_not(stage: Stage) -> None:
    vera = await stage.visitor(await stage.shop())
    for _ in range(9):
        assert (await vera.answer_to("{"))["code"] == "bad_json"
    await vera.command(PAGE)
    assert (await vera.answer_to("["))["code"] == "bad_json"
    assert await vera.closed() == 4501


async def test_a_frame_of_64_kib_is_read_and_a_larger_one_closes_the_socket(stage: Stage) -> None:
    shop = await stage.shop()
    vera = await stage.visitor(shop)
    frame = line(message(NOBODYS, ""))
    largest = frame.replace('"text": ""', '"text": "' + "x" * (LARGEST_FRAME - len(frame)) + '"')
    assert len(largest) == LARGEST_FRAME
    assert (await vera.answer_to(largest))["code"] == "too_large"
    await vera.raw(largest + " ")
    assert await vera.closed() == 1009
    wide = await stage.again(vera, shop)
    # Counted in bytes: 40,000 letters of two bytes are too many.
    await wide.raw('{"t":"' + "ü" * 40_000 + '"}')
    assert await wide.closed() == 1009


async def test_a_paste_of_10_mb_closes_the_socket_and_harms_nobody(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    pasting = asyncio.ensure_future(vera.raw(line(message(c, "x" * 10_000_000))))
    await vera.closed()
    await asyncio.gather(pasting, return_exceptions=True)
    again = await stage.again(vera, shop, pos={c: {"public": vera.have(c)}})
    await again.say(c, "That was too much.")
    await ana.until(lambda f: f.get("data") == {"text": "That was too much."})
    assert ana.texts(c) == ["That was too much."]


@pytest.mark.parametrize(
    ("opcode", "data", "code"),
    [(Opcode.BINARY, b'{"t":"pong"}', 1003), (Opcode.TEXT, b'{"t":"\xff\xfe"}', 1007)],
    ids=["binary", "not UTF-8"],
)
async def test_a_frame_that_is_no_text_closes_the_socket(stage: Stage, opcode: Opcode, data: bytes, code: int) -> None:
    vera = await stage.visitor(await stage.shop())
    await vera.raw_frame(opcode, data)
    assert await vera.closed() == code


# Before the upgrade

REFUSED_UPGRADES = {
    "no origin": ({"origin": None}, 403, "forbidden"),
    "a foreign origin": ({"origin": "https://evil.example"}, 403, "forbidden"),
    "no origin to speak of": ({"origin": "null"}, 403, "forbidden"),
    "our name at the front of another": ({"origin": "{own}.evil.example"}, 403, "forbidden"),
    "another port of ours": ({"origin": "http://127.0.0.1:1"}, 403, "forbidden"),
    "another scheme": ({"origin": "https://{own}"}, 403, "forbidden"),
    "no subprotocol": ({"subprotocols": None}, 400, "invalid"),
    "another subprotocol": ({"subprotocols": ["deskbell.v2"]}, 400, "invalid"),
    "another path": ({"path": "/socket"}, 404, "not_found"),
    "a path below": ({"path": "/ws/"}, 404, "not_found"),
}


async def upgrade(
    url: str, *, path: str = "/ws", origin: str | None = "{own}", subprotocols: Any = ("deskbell.v1",)
) -> Any:
    if origin is not None:
        origin = origin.replace("https://{own}", url.replace("http", "https")).replace("{own}", url)
    address = url.replace("http://", "ws://") + path
    return await connect(address, origin=origin, subprotocols=subprotocols, compression=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", REFUSED_UPGRADES)
async def test_who_may_not_connect_is_refused_before_the_upgrade(stage: Stage, what: str) -> None:
    how, status, code = REFUSED_UPGRADES[what]
    with pytest.raises(InvalidStatus) as refused:
        await upgrade(stage.one.url, **how)
    response = refused.value.response
    assert response.status_code == status
    error = json.loads(response.body)["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"]


async def test_one_subprotocol_of_several_is_enough(stage: Stage) -> None:
    socket = await upgrade(stage.one.url, subprotocols=["chat", "deskbell.v1"])
    assert socket.subprotocol == "deskbell.v1"
    await socket.close()


# Hello


async def test_who_does_not_say_hello_within_five_seconds_is_sent_away(stage: Stage) -> None:
    shop = await stage.shop()
    session = await visitor_session(stage.one.url, shop.site_key)
    silent, chatty, late = (WireClient(stage.one.url) for _ in range(3))
    for client in (silent, chatty, late):
        await client.open()
    began = asyncio.get_running_loop().time()
    stage.people.extend((silent, chatty, late))
    for _ in range(3):
        await chatty.raw('{"t":"pong"}')
        assert (await chatty.refused({"t": "typing", "c": NOBODYS, "on": True}))["code"] == "hello_first"
    await asyncio.sleep(4)
    await late.hello(session["token"])
    assert [await silent.closed(), await chatty.closed()] == [4501, 4501]
    took_s = asyncio.get_running_loop().time() - began
    assert 4.5 < took_s < 9
    # Whoever has said it may be silent for much longer.
    await late.command(PAGE)


async def test_only_a_hello_comes_first_and_it_comes_once(stage: Stage) -> None:
    shop = await stage.shop()
    session = await visitor_session(stage.one.url, shop.site_key)
    vera = WireClient(stage.one.url)
    await vera.open()
    stage.people.append(vera)
    for frame in [make(NOBODYS) for make in EVERYONES_COMMANDS + VISITORS_COMMANDS + AGENTS_COMMANDS]:
        assert (await vera.refused(frame))["code"] == "hello_first", frame
    await vera.hello(session["token"])
    assert (await vera.refused({"t": "hello", "token": session["token"]}))["code"] == "hello_first"
    await vera.command(PAGE)


async def bad_credentials(stage: Stage, shop: Shop) -> dict[str, str]:
    """Return tokens that must all be refused alike."""
    now = datetime.now(UTC)
    secret = stage.settings.secret_key.encode()
    ana = await shop.hire("Ana")
    visitor = await visitor_session(stage.one.url, shop.site_key)
    visitor_id, site_id = VisitorId(UUID(visitor["visitor"]["id"])), SiteId(UUID(str(shop.site_id)))

    def signed(by: bytes = secret, epoch: int = 0, at: datetime = now, site: SiteId = site_id) -> str:
        return issue_visitor_token(by, visitor_id, site, epoch, at)[0]

    async def ticket() -> str:
        return await agent_ticket(stage.one.url, {"deskbell": ana.session_token})

    used = await ticket()
    client = WireClient(stage.one.url)
    await client.open()
    await client.hello(used)
    await client.close()
    expired = await ticket()
    await stage.sql("UPDATE socket_ticket SET expires_at = now() - interval '1 second'")
    revoked = await (await shop.hire("Ben")).ticket(stage.one.url)
    await stage.sql("UPDATE agent_session SET revoked_at = now() WHERE agent_id <> :ana", ana=UUID(ana.id))
    token = signed()
    return {
        "nothing": "",
        "rubbish": "rubbish",
        "another alphabet": "жетон \U0001f600",
        "an expired token": signed(at=now - timedelta(days=31)),
        "a token of another installation": signed(by=b"another secret key of another installation"),
        "a token from before the log-out": signed(epoch=7),
        "a token for another site": signed(site=SiteId(UUID(NOBODYS))),
        "a changed token": token[:10] + ("A" if token[10] != "A" else "B") + token[11:],
        "a token without its seal": token.rpartition(".")[0],
        "a used ticket": used,
        "an expired ticket": expired,
        "a ticket of a session that ended": revoked,
        "the session itself": ana.session_token,
    }


async def test_whatever_is_wrong_with_a_credential_the_answer_is_the_same(stage: Stage) -> None:
    shop = await stage.shop()
    answers: dict[str, tuple[Frame, int | None]] = {}
    for what, token in (await bad_credentials(stage, shop)).items():
        client = WireClient(stage.two.url)
        await client.open()
        answer = await client.refused({"t": "hello", "token": token})
        answers[what] = (answer, await client.closed())
        assert client.log == [answer]
    expected = {"t": "err", "id": 1, "code": "unauthorized", "message": "Sign in again."}
    for what, answer in answers.items():
        assert answer == (expected, 4500), what
    # The very same visitor and agent are welcome with what is right.
    await stage.agent(await shop.hire("Ana"))
    await stage.visitor(shop)


async def test_a_sixth_window_of_one_visitor_is_too_many(stage: Stage) -> None:
    shop = await stage.shop()
    vera = await stage.visitor(shop)
    for _ in range(4):
        last = await stage.again(vera, shop)
    sixth = WireClient(stage.one.url)
    await sixth.open()
    refusal = await sixth.refused({"t": "hello", "token": vera.token})
    assert (refusal["code"], refusal["retry"]) == ("rate_limited", True)
    assert await sixth.closed() == 4009
    await last.close()
    for client in stage.people[:-1]:
        await client.command(PAGE)
    await stage.again(vera, shop)


# What is not yours


def everything_about(commands: list[Callable[[str], Frame]]) -> list[Callable[[str], Frame]]:
    return [make for make in commands if "c" in make(NOBODYS)]


@pytest.mark.parametrize("role", ["visitor", "agent"])
async def test_a_foreign_conversation_and_none_at_all_look_the_same(stage: Stage, role: str) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    await vera.say(c, "a secret")
    pos = {c: {"public": 0, "internal": 0}}
    if role == "visitor":
        otto = await stage.visitor(shop, pos=pos)
        commands = everything_about(EVERYONES_COMMANDS + VISITORS_COMMANDS)
    else:
        otto = await stage.agent(await (await stage.shop()).hire("Otto"), pos=pos)
        commands = everything_about(EVERYONES_COMMANDS + AGENTS_COMMANDS)
    assert len(commands) >= 7
    for make in commands:
        foreign, unknown = [await otto.post(make(which)) for which in (c, NOBODYS)]
        assert without_id(foreign) == without_id(unknown)
        if make(c)["t"] == "unwatch":
            assert foreign["t"] == "ok", "to stop following nothing is nothing"
        else:
            assert foreign["code"] == "not_found", make(c)["t"]
    assert not [frame for frame in otto.log if frame.get("c") == c or "a secret" in json.dumps(frame)]
    assert [e["kind"] for e in await vera.sync_all(c)] == ["queued", "joined", "message"], "and nothing came of it"
    await ana.command({"t": "close", "c": c, "gen": gen})


async def test_an_agents_command_is_not_for_visitors_nor_a_visitors_for_agents(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    for client, commands in ((vera, AGENTS_COMMANDS), (ana, VISITORS_COMMANDS)):
        for make in commands:
            refusal = await client.refused(make(c))
            assert (refusal["code"], refusal.get("retry", False)) == ("forbidden", False), make(c)
    canned = {**message(c), "body": {"text": "hello", "canned": NOBODYS}}
    assert (await vera.refused(canned))["code"] == "forbidden", "visitors have no canned replies"
    await ana.command(canned)
    assert [e["kind"] for e in await vera.sync_all(c)] == ["queued", "joined", "message"]


async def test_a_visitor_never_gets_an_internal_lane(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    tab = await stage.again(vera, shop, stage.two, pos={c: {"public": 0, "internal": 0}})
    await ana.command(note(c, "internal words"))
    for client in (vera, tab):
        for extra in ({}, {"after": 0}, {"before": 99}):
            refusal = await client.refused({"t": "sync", "c": c, "lane": "internal", **extra})
            assert refusal["code"] == "forbidden"
        for frame in (note(c), {"t": "watch", "c": c}, {"t": "watch", "c": c, "pos": {"internal": 0}}):
            assert (await client.refused(frame))["code"] == "forbidden"
    await vera.command({"t": "typing", "c": c, "on": True})
    await ana.command({"t": "close", "c": c, "gen": gen})
    await vera.event("closed")
    await tab.event("closed")
    await vera.command({"t": "rate", "c": c, "score": 1, "comment": "internal words of mine"})
    await ana.head(c, "closed")
    assert [e["kind"] for e in await ana.sync_all(c, "internal")] == ["offered", "note", "rated"]
    later = await stage.again(vera, shop, pos={c: {"public": 0, "internal": 0}})
    await later.event("closed")
    for client in (vera, tab, later):
        assert not [frame for frame in client.log if frame.get("lane") == "internal"]
        assert "internal" not in json.dumps([f for f in client.log if f["t"] != "err"])


# What the state of the world forbids


async def a_waiting_one_beside_a_busy_agent(stage: Stage) -> tuple[WireClient, WireClient, WireClient, str, Frame]:
    """Ana has room for one and has Vera; Vic waits. Returns Ana, Vera, Vic, Vera's conversation and Vic's head."""
    shop = await stage.shop()
    ana, vera, vic = await stage.agent(await shop.hire("Ana", capacity=1)), *[await stage.visitor(shop) for _ in "ab"]
    c, _ = await stage.chat(vera, ana)
    waiting = (await vic.command({"t": "start"}))["c"]
    return ana, vera, vic, c, await ana.head(waiting, "waiting")


async def at_capacity(stage: Stage) -> Frame:
    ana, _, _, _, head = await a_waiting_one_beside_a_busy_agent(stage)
    return await ana.refused({"t": "claim", "c": head["c"], "gen": head["gen"]})


async def stale(stage: Stage) -> Frame:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    return await ana.refused({"t": "close", "c": c, "gen": gen - 1})


async def not_yours(stage: Stage) -> Frame:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    ben = await stage.agent(await shop.hire("Ben"))
    assert (await ben.refused({"t": "close", "c": c, "gen": gen}))["code"] == "not_yours"
    return await ben.refused(message(c))


async def conversation_closed(stage: Stage) -> Frame:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    gen = (await ana.command({"t": "close", "c": c, "gen": gen}))["gen"]
    for client, frame in (
        (ana, message(c)),
        (ana, {"t": "close", "c": c, "gen": gen}),
        (ana, {"t": "claim", "c": c, "gen": gen}),
        (vera, {"t": "end", "c": c}),
        (vera, {"t": "leave", "c": c}),
    ):
        assert (await client.refused(frame))["code"] == "conversation_closed", frame
    return await vera.refused(message(c))


async def no_agents(stage: Stage) -> Frame:
    return await (await stage.visitor(await stage.shop())).refused({"t": "start"})


async def not_ratable(stage: Stage) -> Frame:
    _, vera, vic, c, head = await a_waiting_one_beside_a_busy_agent(stage)
    assert (await vera.refused({"t": "rate", "c": c, "score": 5}))["code"] == "not_ratable", "it still runs"
    await vic.command({"t": "leave", "c": head["c"]})
    return await vic.refused({"t": "rate", "c": head["c"], "score": 5})


async def conflict(stage: Stage) -> Frame:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    m = new_id()
    await ana.command(note(c, "one", m))
    assert (await ana.refused(note(c, "two", m)))["code"] == "conflict"
    assert (await ana.refused(message(c, "one", m)))["code"] == "conflict", "a note does not turn into a message"
    await vera.say(c, "one", m)
    return await vera.refused(message(c, "two", m))


async def unfilled(stage: Stage) -> Frame:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    body = {"text": "Hello {{visitor.name}}!", "canned": NOBODYS}
    await ana.command({**message(c), "body": {"text": body["text"]}})
    return await ana.refused({**message(c), "body": body})


async def rate_limited(stage: Stage) -> Frame:
    vera, c = await somebody_who_has_said_enough(stage)
    return await vera.refused(message(c))


async def out_of_order(stage: Stage) -> Frame:
    vera, c = await somebody_who_has_said_enough(stage)
    await vera.refused(message(c))
    return await vera.refused(message(c))


async def somebody_who_has_said_enough(stage: Stage) -> tuple[WireClient, str]:
    """Vera, who has sent as many messages as she may at once."""
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    answers = [vera.post(message(c, f"words {n}")) for n in range(10)]
    answers += [vera.post(message(NOBODYS)) for _ in range(10)]
    await asyncio.gather(*answers)
    return vera, c


async def not_found(stage: Stage) -> Frame:
    return await (await stage.visitor(await stage.shop())).refused(message(NOBODYS))


async def forbidden(stage: Stage) -> Frame:
    return await (await stage.visitor(await stage.shop())).refused({"t": "status", "accept": True})


async def unauthorized(stage: Stage) -> Frame:
    client = WireClient(stage.one.url)
    await client.open()
    stage.people.append(client)
    return await client.refused({"t": "hello", "token": "rubbish"})


async def hello_first(stage: Stage) -> Frame:
    client = WireClient(stage.one.url)
    await client.open()
    stage.people.append(client)
    return await client.refused({"t": "start"})


ROADS: dict[str, Callable[[Stage], Awaitable[Frame]]] = {
    road.__name__: road
    for road in (
        at_capacity,
        conflict,
        conversation_closed,
        forbidden,
        hello_first,
        no_agents,
        not_found,
        not_ratable,
        not_yours,
        out_of_order,
        rate_limited,
        stale,
        unauthorized,
        unfilled,
    )
}
PASSING = {"rate_limited", "out_of_order"}


@pytest.mark.parametrize("code", ROADS)
async def test_a_code_is_reached_on_the_socket(stage: Stage, code: str) -> None:
    error = await ROADS[code](stage)
    assert (error["t"], error["code"]) == ("err", code)
    assert error["message"]
    assert error.get("retry", False) is (code in PASSING)
    assert isinstance(error["id"], int)


# Too fast


async def test_after_a_message_that_came_too_fast_the_later_ones_wait_for_it(stage: Stage) -> None:
    vera, c = await somebody_who_has_said_enough(stage)
    frames = [message(c, f"later {n}") for n in range(3)]
    first, *others = await asyncio.gather(*(vera.post(frame) for frame in frames))
    assert (first["code"], first["retry"]) == ("rate_limited", True)
    assert 0 < first["after_ms"] <= 1000
    assert [(error["code"], error["retry"]) for error in others] == [("out_of_order", True)] * 2
    await asyncio.sleep(first["after_ms"] / 1000)
    assert (await vera.refused(frames[1]))["code"] == "out_of_order", "not before the one that failed"
    for frame in frames:
        answer = await vera.post(frame)
        while answer["t"] == "err":
            assert answer["code"] == "rate_limited"
            await asyncio.sleep(answer["after_ms"] / 1000)
            answer = await vera.post(frame)
    texts = [e["data"]["text"] for e in await vera.sync_all(c) if e["kind"] == "message"]
    assert texts == [*(f"words {n}" for n in range(10)), "later 0", "later 1", "later 2"]


async def test_a_message_in_a_flood_of_frames_is_not_overtaken_either(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    seen = len(ana.log)
    frames = [message(c, f"words {n}") for n in range(2)]
    flood = [line({"t": "typing", "c": c, "on": True}, 1000 + n) for n in range(90)]
    await ana.raw("\n".join([*flood, line(frames[0], 2000)]))
    error = await ana.until(lambda f: f.get("id") == 2000, after=seen)
    assert (error["code"], error["retry"]) == ("rate_limited", True)
    await asyncio.sleep(0.3)
    assert (await ana.refused(frames[1]))["code"] == "out_of_order"
    for frame in frames:
        await ana.command(frame)
    assert [e["data"]["text"] for e in await ana.sync_all(c) if e["kind"] == "message"] == ["words 0", "words 1"]
    await ana.refused({"t": "dance"})


async def test_who_floods_without_listening_is_sent_away_and_may_come_back(stage: Stage) -> None:
    shop = await stage.shop()
    vera = await stage.visitor(shop)
    for flood in (line(PAGE), line({"t": "dance"})):
        client = await stage.again(vera, shop)
        for _ in range(3):
            await client.raw("\n".join([flood] * 600))
        assert await client.closed() == 4009
        codes = {frame["code"] for frame in client.log if frame["t"] == "err"}
        assert "rate_limited" in codes
    await stage.again(vera, shop)
