"""The headers that every answer carries, errors included."""

import pytest

from tests.pages.conftest import Cast, Visit

EVERYWHERE = ("x-request-id", "x-content-type-options", "content-security-policy")
PAGES = [
    "/admin", "/admin/canned", "/admin/canned/new", "/admin/ratings", "/admin/agents", "/admin/agents/new",
    "/admin/teams", "/admin/teams/new", "/admin/sites", "/admin/sites/new", "/sign-in", "/admin/nothing", "/nothing",
]  # fmt: skip
OTHERS = [
    "/healthz", "/readyz", "/api/canned", "/api/conversations", "/api/nothing", "/widget.js",
    "/widget/frame?site=s_shop", "/widget/frame?site=s_none", "/demo", "/console",
    "/assets/shared/tokens.css", "/assets/none",
]  # fmt: skip


def policy_of(headers: dict[str, str]) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("name", [None, "ada"])
async def test_every_answer_is_numbered_typed_and_closed(visit: Visit, name: str | None) -> None:
    client = await visit(name)
    numbers: set[str] = set()
    for path in PAGES + OTHERS:
        answer = await client.get(path)
        assert not [header for header in EVERYWHERE if header not in answer.headers], path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        policy = policy_of(dict(answer.headers))
        assert policy["default-src"] == "'none'", path
        assert "frame-ancestors" in policy, path
        assert "unsafe" not in answer.headers["content-security-policy"], path
        assert "*" not in policy.get("script-src", ""), path
        assert "server" not in answer.headers, path
        numbers.add(answer.headers["x-request-id"])
    assert len(numbers) == len(PAGES + OTHERS)


async def test_an_admin_page_runs_only_our_scripts_and_stays_in_no_cache(visit: Visit) -> None:
    client = await visit("ada")
    for path in PAGES:
        answer = await client.get(path, follow_redirects=False)
        if answer.status_code == 303:
            continue
        policy = policy_of(dict(answer.headers))
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'", path
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'", path
        assert policy["form-action"] == "'self'", path
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", path
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", path
        assert " style=" not in answer.text, path
        assert "<script>" not in answer.text, path


async def test_an_api_answer_is_inert(visit: Visit) -> None:
    client = await visit("ana")
    for path in ("/api/canned", "/api/nothing"):
        answer = await client.get(path)
        assert policy_of(dict(answer.headers)).keys() == {"default-src", "frame-ancestors", "sandbox"}
        assert answer.headers["cache-control"] == "no-store"


async def test_our_pages_can_be_framed_by_nobody_and_the_chat_by_its_site(visit: Visit, cast: Cast) -> None:
    client = await visit("ada")
    frame = await client.get("/widget/frame?site=s_shop")
    assert "https://shop.example" in policy_of(dict(frame.headers))["frame-ancestors"]
    console = await client.get("/console")
    assert policy_of(dict(console.headers))["frame-ancestors"] == "'none'"
