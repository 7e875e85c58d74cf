"""Signing in and out, and where requests may come from."""

import asyncio

import httpx2 as httpx
import pytest

from app.errors import Limited
from app.identity.models import Agent
from app.infra.keys import Keys
from app.infra.limits import Limit, Limits
from app.infra.passwords import hash_password
from app.infra.redis import connect
from app.main import Deskbell, create_app
from app.settings import Settings
from tests.pages.conftest import URL, Cast, Visit

PASSWORD = "a kettle sings at noon"


@pytest.fixture
async def ana(server: Deskbell, cast: Cast) -> Agent:
    """Ana with a password."""
    hashed = await hash_password(PASSWORD)
    async with server.work.begin() as work:
        agent = await work.session.get(Agent, cast.agents["ana"].id)
        assert agent
        agent.password_hash = hashed
    return agent


def form(email: str = "ana@desk.example", password: str = PASSWORD, **more: str) -> dict[str, str]:
    return {"email": email, "password": password, **more}


async def test_ana_signs_in_works_and_signs_out(visit: Visit, ana: Agent) -> None:
    client = await visit()
    answer = await client.post("/sign-in", data=form("  ANA@desk.example "))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert (await client.get("/api/canned")).status_code == 200

    out = await client.post("/sign-out")
    assert out.headers["location"] == "/sign-in?out=1"
    assert 'deskbell=""' in out.headers["set-cookie"]
    token = answer.cookies["deskbell"]
    client.cookies.set("deskbell", token)
    assert (await client.get("/api/canned")).status_code == 401, "the session is over, not only its cookie"


async def test_the_cookie_over_http_has_every_flag_that_http_allows(visit: Visit, ana: Agent) -> None:
    cookie = (await (await visit()).post("/sign-in", data=form())).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert cookie.startswith("deskbell=")
    assert {"httponly", "samesite=lax", "path=/"} <= parts
    assert not any(part.startswith("domain") or part == "secure" for part in parts)


async def test_the_cookie_over_https_is_bound_to_the_host(settings: Settings, ana: Agent) -> None:
    url = "https://chat.example"
    server = create_app(settings.replaced(public_url=url))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url=url) as client:
        answer = await client.post("/sign-in", data=form(), headers={"Origin": url})
        cookie = answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"]
    await server.redis.aclose()
    await server.database.close()
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-deskbell=")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= parts


async def test_a_sign_in_makes_a_new_session_whatever_cookie_was_there(visit: Visit, ana: Agent) -> None:
    client = await visit()
    client.cookies.set("deskbell", "planted-by-somebody")
    answer = await client.post("/sign-in", data=form())
    assert answer.cookies["deskbell"] != "planted-by-somebody"


async def test_nobody_learns_which_of_both_was_wrong(visit: Visit, ana: Agent) -> None:
    answers = [
        await (await visit()).post("/sign-in", data=form(email, password))
        for email, password in (
            ("ana@desk.example", "not her password"),
            ("nobody@desk.example", PASSWORD),
            ("not an address", PASSWORD),
            ("\x00", PASSWORD),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    pages = {answer.text.replace(f'value="{email}"', "") for answer, email in zip(
        answers, ("ana@desk.example", "nobody@desk.example", "not an address", "\x00"), strict=True
    )}  # fmt: skip
    assert len(pages) == 1
    assert all("set-cookie" not in answer.headers for answer in answers)


async def test_a_switched_off_account_answers_like_a_wrong_password(visit: Visit, server: Deskbell, ana: Agent) -> None:
    wrong = await (await visit()).post("/sign-in", data=form(password="not her password"))
    async with server.work.begin() as work:
        agent = await work.session.get(Agent, ana.id)
        assert agent
        agent.active = False
    off = await (await visit()).post("/sign-in", data=form())
    assert (off.status_code, off.text) == (wrong.status_code, wrong.text)


async def test_the_sixth_attempt_within_five_minutes_waits_even_with_the_right_password(
    visit: Visit, ana: Agent
) -> None:
    client = await visit()
    for _ in range(5):
        assert (await client.post("/sign-in", data=form(password="not her password"))).status_code == 401
    refused = await client.post("/sign-in", data=form("ANA@desk.example"))
    assert refused.status_code == 429
    assert 200 < int(refused.headers["retry-after"]) <= 300
    assert "Try again in 5 minutes" in refused.text
    assert (await client.post("/sign-in", data=form("other@desk.example"))).status_code == 401, "others are not held up"


async def test_a_success_begins_the_count_afresh(visit: Visit, ana: Agent) -> None:
    client = await visit()
    for _ in range(2):
        for _ in range(4):
            assert (await client.post("/sign-in", data=form(password="not her password"))).status_code == 401
        assert (await client.post("/sign-in", data=form())).status_code == 303


async def test_attempts_are_counted_while_redis_is_away(redis_prefix: str) -> None:
    redis = connect("redis://127.0.0.1:1/0")
    limits = Limits(redis, Keys(redis_prefix).limit(""))
    limit = Limit("test", times=2, seconds=60)
    try:
        await limits.hit(limit, "vera")
        await limits.hit(limit, "vera")
        with pytest.raises(Limited):
            await limits.hit(limit, "vera")
        await limits.hit(limit, "ben")
        await limits.forget(limit, "vera")
        await limits.hit(limit, "vera")
    finally:
        await redis.aclose()


async def test_two_processes_count_together(redis_url: str, redis_prefix: str) -> None:
    clients = [connect(redis_url), connect(redis_url)]
    one, other = (Limits(client, Keys(redis_prefix).limit("")) for client in clients)
    limit = Limit("test", times=3, seconds=60)
    try:
        await asyncio.gather(one.hit(limit, "vera"), other.hit(limit, "vera"), one.hit(limit, "vera"))
        with pytest.raises(Limited) as caught:
            await other.hit(limit, "vera")
        assert caught.value.retry_after_s
        assert 50 < caught.value.retry_after_s <= 60
    finally:
        for client in clients:
            await client.aclose()


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/admin/canned?q=x", "/admin/canned?q=x"),
        ("//evil.example", "/console"),
        ("https://evil.example", "/console"),
        ("/\\evil.example", "/console"),
        ("", "/console"),
    ],
)
async def test_after_signing_in_one_comes_back_to_a_page_of_ours_only(
    visit: Visit, ana: Agent, asked: str, led: str
) -> None:
    client = await visit()
    answer = await client.post("/sign-in", data=form(next=asked))
    assert answer.headers["location"] == led
    assert (await client.get("/sign-in", params={"next": asked})).headers["location"] == led


async def test_a_page_without_a_session_leads_to_sign_in_and_back(visit: Visit) -> None:
    answer = await (await visit()).get("/admin/canned", params={"q": "a&b"})
    assert answer.headers["location"] == "/sign-in?next=/admin/canned%3Fq%3Da%2526b"


OURS = {"Origin": URL}
MATRIX = [
    (OURS, 200),
    ({"Origin": "http://localhost:8000"}, 200),
    ({**OURS, "Sec-Fetch-Site": "same-origin"}, 200),
    ({**OURS, "Sec-Fetch-Site": "same-site"}, 403),
    ({**OURS, "Sec-Fetch-Site": "cross-site"}, 403),
    ({**OURS, "Sec-Fetch-Site": "none"}, 403),
    ({}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "https://127.0.0.1:8000"}, 403),
    ({"Origin": "http://127.0.0.1:8001"}, 403),
    ({"Origin": "http://127.0.0.1:8000.evil.example"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "https://evil.example", "Referer": URL + "/admin"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), MATRIX)
async def test_an_unsafe_request_must_come_from_our_own_pages(
    visit: Visit, headers: dict[str, str], status: int
) -> None:
    client = await visit("ana")
    del client.headers["origin"]
    answer = await client.post("/api/ticket", json={}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "forbidden"
    guessed = await client.post("/sign-in", data=form("nobody@desk.example"), headers=headers)
    assert guessed.status_code == (401 if status == 200 else 403)


async def test_reading_needs_no_origin(visit: Visit) -> None:
    client = await visit("ana")
    del client.headers["origin"]
    assert (await client.get("/api/canned", headers={"Sec-Fetch-Site": "none"})).status_code == 200
