"""Every way in which HTTP says no, from a real server process, by the tables of docs/protocol.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio

from tests.journeys.cast import AgentOnDuty, Shop
from tests.journeys.stage import Stage
from tests.journeys.test_wire_errors import bad_credentials
from tests.journeys.wire_client import Frame, visitor_session

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOBODYS = "0198c0de-0000-7000-8000-00000000dead"
STATUS = {
    "bad_json": 400,
    "bad_host": 400,
    "too_complex": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "in_use": 409,
    "too_large": 413,
    "invalid": 422,
    "bad_text": 422,
    "rate_limited": 429,
}
"""The codes that this file reaches."""

BODIES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "bad_json"),
    ("half an object", b'{"site":', "bad_json"),
    ("not UTF-8", b'{"site":"\xff"}', "bad_json"),
    ("not a number", b'{"site":NaN}', "bad_json"),
    ("a key that stands twice", b'{"site":"a","site":"b"}', "bad_json"),
    ("a bottomless pit", b"[" * 100_000, "too_complex"),
    ("201 keys", json.dumps({f"key {n}": n for n in range(201)}).encode(), "too_complex"),
    ("no object", b"[]", "invalid"),
    ("an unknown field", b'{"site":"s_shop","colour":"red"}', "invalid"),
    ("another shape", b'{"site":{"key":"s_shop"}}', "invalid"),
    ("a number of 2^70", b'{"site":1180591620717411303424}', "invalid"),
    ("U+0000", b'{"site":"s_\\u0000shop"}', "bad_text"),
    ("half a surrogate pair", b'{"site":"s_\\ud800shop"}', "bad_text"),
    ("300 KB", b'{"site":"' + b"x" * 300_000 + b'"}', "too_large"),
    ("10 MB", b'{"site":"' + b"x" * 10_000_000 + b'"}', "too_large"),
]


class Browser:
    """Somebody's HTTP client, on one server process."""

    def __init__(self, stage: Stage) -> None:
        self.url = stage.one.url
        self._http = httpx2.AsyncClient(base_url=self.url, headers={"Origin": self.url})

    async def ask(self, method: str, path: str, *, who: AgentOnDuty | None = None, **request: Any) -> httpx2.Response:
        cookies = {"Cookie": f"deskbell={who.session_token}"} if who else {}
        headers = {**cookies, **request.pop("headers", {})}
        return await self._http.request(method, path, headers=headers, **request)

    async def close(self) -> None:
        await self._http.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def browser_at(stage: Stage) -> AsyncIterator[Browser]:
    browser = Browser(stage)
    yield browser
    await browser.close()


def refusal(answer: httpx2.Response, code: str) -> Frame:
    """Check that an answer is a refusal as the page says, and return what it tells."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (STATUS[code], code), answer.text[:300]
    error: Frame = answer.json()["error"]
    assert set(error) <= {"code", "message", "request_id", "retry_after", "field"}
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    return error


async def test_a_body_that_cannot_be_taken_is_refused(stage: Stage, browser_at: Browser) -> None:
    ana = await (await stage.shop()).hire("Ana")
    for path, who in (("/api/widget/session", None), ("/api/ticket", ana)):
        for what, body, code in BODIES:
            headers = {"Content-Type": "application/json"}
            answer = await browser_at.ask("POST", path, who=who, content=body, headers=headers)
            assert refusal(answer, code), (path, what)
    assert (await browser_at.ask("POST", "/api/ticket", who=ana, json={})).status_code == 200


async def test_who_has_no_session_hears_the_same_everywhere(stage: Stage, browser_at: Browser) -> None:
    shop = await stage.shop()
    tokens = await bad_credentials(stage, shop)
    ana = await shop.hire("Ana")
    told = []
    for what, token in tokens.items():
        if what == "the session itself" or not token.isascii():
            continue
        stranger = AgentOnDuty("", "Otto", token)
        for method, path in (("POST", "/api/ticket"), ("GET", "/api/canned"), ("GET", "/api/conversations")):
            request = {"json": {}} if method == "POST" else {}
            told.append(refusal(await browser_at.ask(method, path, who=stranger, **request), "unauthorized"))
    assert len({error["message"] for error in told}) == 1
    assert {frozenset(error) for error in told} == {frozenset({"code", "message", "request_id"})}
    for path in ("/api/canned", "/api/conversations"):
        assert (await browser_at.ask("GET", path, who=ana)).status_code == 200


async def test_what_comes_from_another_page_is_refused(stage: Stage, browser_at: Browser) -> None:
    shop = await stage.shop()
    ana = await shop.hire("Ana")
    asks: list[tuple[str, AgentOnDuty | None, Frame]] = [
        ("/api/ticket", ana, {}),
        ("/api/widget/session", None, {"site": shop.site_key}),
    ]
    for path, who, body in asks:
        for origin in ("https://evil.example", "null", f"{browser_at.url}.evil.example", ""):
            refusal(await browser_at.ask("POST", path, who=who, json=body, headers={"Origin": origin}), "forbidden")
        headers = {"Sec-Fetch-Site": "cross-site"}
        refusal(await browser_at.ask("POST", path, who=who, json=body, headers=headers), "forbidden")
        assert (await browser_at.ask("POST", path, who=who, json=body)).status_code == 200


async def test_a_foreign_conversation_and_none_at_all_look_the_same(stage: Stage, browser_at: Browser) -> None:
    shop = await stage.shop()
    ana, otto = await shop.hire("Ana"), await (await stage.shop()).hire("Otto")
    vera = await stage.visitor(shop)
    c, _ = await stage.chat(vera, await stage.agent(ana))
    told = []
    for which in (c, NOBODYS, "1", "%00", "x" * 200):
        error = refusal(await browser_at.ask("GET", f"/api/conversations/{which}", who=otto), "not_found")
        told.append({name: value for name, value in error.items() if name != "request_id"})
    assert told == [told[0]] * len(told)
    mine = await browser_at.ask("GET", f"/api/conversations/{c}", who=ana)
    assert mine.json()["head"]["c"] == c


async def test_a_question_out_of_range_is_refused_and_says_where(stage: Stage, browser_at: Browser) -> None:
    ana = await (await stage.shop()).hire("Ana")
    for query, field in (
        ("state=open", "state"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("before=-1", "before"),
        ("before=99999999999999999999", "before"),
        ("before=NaN", "before"),
    ):
        answer = await browser_at.ask("GET", f"/api/conversations?{query}", who=ana)
        assert refusal(answer, "invalid")["field"] == field, query
    answer = await browser_at.ask("GET", "/api/conversations?state=closed&limit=100&before=0", who=ana)
    assert answer.json() == {"heads": [], "more": False}


async def test_a_site_that_is_not_there_is_not_found(browser_at: Browser) -> None:
    for site in ("s_nobody", "../", "s_\u0007bell", "' OR 1=1 --", "x" * 64):
        refusal(await browser_at.ask("POST", "/api/widget/session", json={"site": site}), "not_found")
    for site in ("", "x" * 65):
        error = refusal(await browser_at.ask("POST", "/api/widget/session", json={"site": site}), "invalid")
        assert error["field"] == "site"


async def test_a_token_that_counts_no_more_is_replaced_and_a_word_of_the_site_is_checked(
    stage: Stage, browser_at: Browser
) -> None:
    shop, other = await stage.shop(), await stage.shop()
    vera = await visitor_session(browser_at.url, shop.site_key)
    again = await visitor_session(browser_at.url, shop.site_key, vera["token"])
    assert again["visitor"]["id"] == vera["visitor"]["id"]
    for token in ("rubbish", vera["token"][:-2], vera["token"].upper()):
        assert (await visitor_session(browser_at.url, shop.site_key, token))["visitor"]["id"] != vera["visitor"]["id"]
    elsewhere = await visitor_session(browser_at.url, other.site_key, vera["token"])
    assert elsewhere["visitor"]["id"] != vera["visitor"]["id"], "a token counts on its own site only"
    for user in ({"jwt": "a.b.c"}, {"id": "7", "hmac": "0" * 64}):
        body = {"site": shop.site_key, "user": user}
        refusal(await browser_at.ask("POST", "/api/widget/session", json=body), "unauthorized")


async def test_too_many_new_visitors_from_one_address_are_told_when_to_come_back(
    stage: Stage, browser_at: Browser
) -> None:
    shop: Shop = await stage.shop()
    known = await visitor_session(browser_at.url, shop.site_key)
    asks = [browser_at.ask("POST", "/api/widget/session", json={"site": shop.site_key}) for _ in range(29)]
    assert {answer.status_code for answer in await asyncio.gather(*asks)} == {200}
    answer = await browser_at.ask("POST", "/api/widget/session", json={"site": shop.site_key})
    error = refusal(answer, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert error["retry_after"] <= 60
    # Whoever is known already comes in.
    assert (await visitor_session(browser_at.url, shop.site_key, known["token"]))["visitor"] == known["visitor"]


async def test_what_is_not_there_and_what_is_not_taken(stage: Stage, browser_at: Browser) -> None:
    ana = await (await stage.shop()).hire("Ana")
    refusal(await browser_at.ask("GET", "/api/nothing", who=ana), "not_found")
    for method, path in (("GET", "/api/ticket"), ("DELETE", "/api/canned"), ("PUT", "/api/conversations")):
        answer = await browser_at.ask(method, path, who=ana)
        refusal(answer, "method_not_allowed")
        assert answer.headers["allow"]


async def test_a_name_that_is_taken_is_in_use(stage: Stage, browser_at: Browser) -> None:
    shop = await stage.shop()
    ada = await shop.hire("Ada", role="admin")
    name = (await stage.sql("SELECT name FROM team WHERE id = :id", id=shop.team_id))[0].name
    taken = await browser_at.ask("POST", "/admin/teams/new", who=ada, data={"name": name.upper()})
    assert taken.status_code == STATUS["in_use"]
    assert "There is a team of this name already." in taken.text
    free = await browser_at.ask("POST", "/admin/teams/new", who=ada, data={"name": f"{name} again"})
    assert free.status_code == 303


async def spoken(url: str, request: bytes) -> bytes:
    """Send bytes to a server and return all that comes back."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


@pytest.mark.parametrize("host", [b"evil.example/x?y#", b"a b", b"", b"[::1"])
async def test_a_host_that_cannot_be_one_is_refused(stage: Stage, host: bytes) -> None:
    answer = await spoken(stage.one.url, b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    # What is no HTTP at all never reaches us; h11 refuses it with words of its own.
    assert b"bad_host" in body or b"Invalid HTTP request" in body


async def test_a_head_that_never_ends_is_refused(stage: Stage) -> None:
    parts = urlsplit(stage.one.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: desk.example\r\n")
        answer = asyncio.ensure_future(reader.read(100))
        sent = 0
        while not answer.done() and sent < 100:
            writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
            await writer.drain()
            await asyncio.wait([answer], timeout=0.02)
            sent += 1
        assert (await answer).split()[1] in (b"400", b"431")
    finally:
        writer.close()
