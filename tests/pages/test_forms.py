"""The admin's forms: what was typed comes back with words beside the field, never a fault."""

import re
from html import unescape
from typing import Any

import pytest

from app import clock
from app.identity.models import Agent, Site
from app.identity.sessions import live_session
from app.main import Deskbell
from tests.pages.conftest import Cast, Visit

XSS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</textarea><svg onload=alert(1)>",
    "{{ 7777*7777 }}{% print(1) %}",
    "javascript:alert(1)",
    "<!--<script>--><b>&lt;",
]
BAD = {"\x00": "cannot be stored", "\x07": "cannot be stored", "": "nothing in it", "x" * 6000: "longer than"}
REPLY = {"title": "Hours", "shortcut": "hours", "body": "Nine to five", "scope": "everyone", "version": "0"}


def beside(page: str, field: str) -> str:
    """The words beside a field."""
    found = re.search(rf'<p class="wrong" id="{field}-wrong"[^>]*>(.*?)</p>', page, re.S)
    assert found, f"there are no words beside {field}"
    return unescape(found[1]).strip()


async def form_of(cast: Cast, kind: str) -> tuple[str, dict[str, Any]]:
    team = str(cast.team.id)
    forms: dict[str, dict[str, Any]] = {
        "canned": REPLY,
        "agents": {
            "name": "Ben", "email": "ben@desk.example", "role": "agent", "capacity": "3", "team_ids": [team],
            "password": "long enough by far",
        },
        "teams": {"name": "Billing", "agent_ids": [str(cast.agents["ana"].id)]},
        "sites": {
            "name": "Shop", "origins": "https://a.example", "greeting": "Hi", "accent": "#112233", "pre_chat": "off",
            "team_id": team, "locale": "en",
        },
    }  # fmt: skip
    return f"/admin/{kind}/new", forms[kind]


FIELDS = [
    ("canned", "title"), ("canned", "shortcut"), ("canned", "body"), ("agents", "name"), ("agents", "email"),
    ("teams", "name"), ("sites", "name"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["canned", "agents", "teams", "sites"])
async def test_a_right_form_is_carried_out_and_says_so(visit: Visit, cast: Cast, kind: str) -> None:
    client = await visit("olga")
    path, form = await form_of(cast, kind)
    answer = await client.post(path, data=form)
    assert answer.status_code == 303, answer.text
    page = await client.get(answer.headers["location"])
    assert "Created." in page.text
    assert str(form.get("title") or form["name"]) in page.text


async def test_bad_text_in_any_field_is_told_beside_it(visit: Visit, cast: Cast) -> None:
    client = await visit("olga")
    for kind, field in FIELDS:
        path, form = await form_of(cast, kind)
        for text, words in BAD.items():
            answer = await client.post(path, data={**form, field: text})
            assert answer.status_code in {413, 422}, (kind, field)
            told = beside(answer.text, field)
            assert words in told or (field == "email" and "e-mail" in told), (kind, field, told)


async def test_what_cannot_be_chosen_is_told_beside_its_field(visit: Visit, cast: Cast) -> None:
    client = await visit("olga")
    for kind, field, value in (
        ("canned", "scope", "world"), ("agents", "role", "emperor"), ("agents", "capacity", "1e3"),
        ("agents", "capacity", "\u0663"), ("agents", "capacity", "-1"), ("agents", "capacity", "101"),
        ("agents", "team_ids", "x"), ("agents", "password", "short"), ("teams", "agent_ids", "x"),
        ("sites", "team_id", ""), ("sites", "team_id", "x"), ("sites", "accent", "red"), ("sites", "accent", "url(x)"),
        ("sites", "pre_chat", "maybe"), ("sites", "locale", "<b>"), ("sites", "origins", "https://a.example/path"),
        ("sites", "origins", "https://a.example;\nhttps://b.example"),
    ):  # fmt: skip
        path, form = await form_of(cast, kind)
        answer = await client.post(path, data={**form, field: value})
        assert answer.status_code == 422, (kind, field, value)
        assert beside(answer.text, field), (kind, field, value)


async def test_a_team_gets_hours_and_keeps_them(visit: Visit, cast: Cast) -> None:
    client = await visit("olga")
    hours = {
        "open": "hours",
        "zone": "Europe/Berlin",
        "monday": "9-12:30, 13:30-18",
        "days_off": "2026-12-25 Christmas",
    }
    wrong = await client.post("/admin/teams/new", data={"name": "Billing", **hours, "friday": "nine to five"})
    assert wrong.status_code == 422
    assert "Write hours like" in beside(wrong.text, "friday")
    assert 'value="nine to five"' in wrong.text
    await client.post("/admin/teams/new", data={"name": "Billing", **hours})
    teams = (await client.get("/admin/teams")).text
    path = re.findall(r'href="(/admin/teams/[0-9a-f-]{36})">Billing', teams)[0]
    form = (await client.get(path)).text
    for kept in ('value="09:00-12:30, 13:30-18:00"', 'value="Europe/Berlin"', "2026-12-25 Christmas"):
        assert kept in form
    assert (await client.post(path, data={"name": "Billing", "open": "always"})).status_code == 303
    assert "Nobody accepts chats" in (await client.get("/admin/teams")).text


async def test_what_was_typed_is_kept(visit: Visit, cast: Cast) -> None:
    client = await visit("ada")
    answer = await client.post("/admin/canned/new", data={**REPLY, "body": "Hello {{visitor.nmae}} & co"})
    assert "There is no variable “visitor.nmae”" in beside(answer.text, "body")
    assert "Hello {{visitor.nmae}} &amp; co" in answer.text
    assert 'value="Hours"' in answer.text


async def test_a_taken_shortcut_is_told_beside_it_and_nothing_else_is_lost(visit: Visit, cast: Cast) -> None:
    client = await visit("ada")
    await client.post("/admin/canned/new", data=REPLY)
    answer = await client.post("/admin/canned/new", data={**REPLY, "title": "Another"})
    assert answer.status_code == 409
    assert "taken" in beside(answer.text, "shortcut")
    assert 'value="Another"' in answer.text


async def test_a_change_from_an_old_window_is_not_saved(visit: Visit, cast: Cast) -> None:
    client = await visit("ada")
    await client.post("/admin/canned/new", data=REPLY)
    [reply] = (await client.get("/api/canned")).json()["replies"]
    path = f"/admin/canned/{reply['id']}"
    assert (await client.post(path, data={**REPLY, "version": "1", "body": "Newer"})).status_code == 303
    stale = await client.post(path, data={**REPLY, "version": "1", "body": "Older"})
    assert stale.status_code == 409
    assert "Somebody has changed this reply" in stale.text
    assert "Older" in stale.text
    [reply] = (await client.get("/api/canned")).json()["replies"]
    assert reply["body"] == "Newer"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"title=%ff", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"&".join(b"a=%d" % n for n in range(3000)), "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"", ""),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_in_words(visit: Visit, body: bytes, kind: str) -> None:
    answer = await (await visit("ada")).post("/admin/canned/new", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert "<h1>That cannot be read</h1>" in answer.text


async def test_a_form_of_300_kib_is_refused(visit: Visit) -> None:
    answer = await (await visit("ada")).post("/admin/canned/new", data={**REPLY, "body": "x" * 300_000})
    assert answer.status_code == 413


async def test_hostile_words_are_shown_as_words(visit: Visit, cast: Cast, server: Deskbell) -> None:
    """The browser's own proof is in tests/journeys/test_admin.py."""
    client = await visit("olga")
    for number, hostile in enumerate(XSS):
        for form, path in (
            (
                {
                    **REPLY,
                    "title": hostile,
                    "shortcut": f"x{number}",
                    "body": hostile.replace("{", "(").replace("}", ")"),
                },
                "canned",
            ),
            ({"name": f"{hostile}{number}"}, "teams"),
        ):
            assert (await client.post(f"/admin/{path}/new", data=form)).status_code == 303, hostile
        assert (
            await client.post("/admin/canned/new", data={**REPLY, "scope": "x", "body": hostile})
        ).status_code == 422
    async with server.work.begin() as work:
        site = await work.session.get(Site, cast.site.id)
        assert site
        site.greeting, site.name = XSS[3], XSS[1]
    pages = [
        "/admin/canned",
        f"/admin/canned?q={XSS[1]}",
        "/admin/teams",
        "/admin/sites",
        f"/admin/sites/{cast.site.id}",
    ]
    for path in pages:
        page = (await client.get(path)).text
        for hostile in XSS:
            assert hostile not in page or not re.search("[<>\"'&]", hostile), (path, hostile)
        assert "60481729" not in page


async def test_a_new_password_signs_its_agent_out(visit: Visit, cast: Cast, server: Deskbell) -> None:
    ana, ada = await visit("ana"), await visit("ada")
    assert (await ana.get("/api/canned")).status_code == 200
    path = f"/admin/agents/{cast.agents['ana'].id}/password"
    short = await ada.post(path, data={"new_password": "short"})
    assert "At least 12" in beside(short.text, "new_password")
    assert (await ada.post(path, data={"new_password": "another long sentence"})).status_code == 303
    assert (await ana.get("/api/canned")).status_code == 401


async def test_an_admin_cannot_set_an_owners_password(visit: Visit, cast: Cast, server: Deskbell) -> None:
    path = f"/admin/agents/{cast.agents['olga'].id}"
    for tail, form in (
        ("/password", {"new_password": "a long enough sentence"}),
        ("", (await form_of(cast, "agents"))[1]),
    ):
        answer = await (await visit("ada")).post(path + tail, data=form)
        assert answer.status_code == 403
        assert "Only an owner can change an owner" in answer.text
    async with server.work.begin() as work:
        olga = await work.session.get(Agent, cast.agents["olga"].id)
        assert olga
        assert (olga.password_hash, olga.email) == ("!", "olga@desk.example")


async def test_switching_an_agent_off_signs_them_out(visit: Visit, cast: Cast, server: Deskbell) -> None:
    ana, ada = await visit("ana"), await visit("ada")
    form = {"name": "Ana", "email": "ana@desk.example", "role": "agent", "capacity": "4"}
    assert (await ada.post(f"/admin/agents/{cast.agents['ana'].id}", data=form)).status_code == 303
    assert (await ana.get("/api/canned")).status_code == 401
    async with server.work.begin() as work:
        assert await live_session(work.session, clock.now(), token=ana.cookies["deskbell"]) is None


async def test_the_identity_secret_is_shown_only_when_asked_for(visit: Visit, cast: Cast) -> None:
    client = await visit("ada")
    path, secret = f"/admin/sites/{cast.site.id}", cast.site.identity_secret
    assert secret not in (await client.get(path)).text
    assert secret in (await client.post(f"{path}/secret/reveal")).text
    assert (await client.post(f"{path}/secret/rotate")).status_code == 303
    assert secret not in (await client.post(f"{path}/secret/reveal")).text


async def test_the_snippet_names_this_server_and_this_site(visit: Visit, cast: Cast) -> None:
    page = unescape((await (await visit("ada")).get(f"/admin/sites/{cast.site.id}")).text)
    assert '<script async src="http://127.0.0.1:8000/widget.js" data-site="s_shop"></script>' in page
    assert "script-src http://127.0.0.1:8000; frame-src http://127.0.0.1:8000" in page
