"""Who may ask for what: every route, every role. A route that is not in this table fails the test."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.main import Deskbell
from tests.pages.conftest import Cast, Visit

ANYBODY, AGENTS, SUPERVISORS, ADMINS = "anybody", "agents", "supervisors", "admins"
ROLES = {"ana": AGENTS, "mei": SUPERVISORS, "ada": ADMINS, "olga": ADMINS}
ALLOWED = {
    ANYBODY: set(ROLES),
    AGENTS: set(ROLES),
    SUPERVISORS: {"mei", "ada", "olga"},
    ADMINS: {"ada", "olga"},
}

POLICIES = {
    "GET /": ANYBODY,
    "GET /healthz": ANYBODY,
    "GET /readyz": ANYBODY,
    "GET /sign-in": ANYBODY,
    "POST /sign-in": ANYBODY,
    "POST /sign-out": AGENTS,
    "GET /assets/{path:path}": ANYBODY,
    "HEAD /assets/{path:path}": ANYBODY,
    "GET /widget.js": ANYBODY,
    "HEAD /widget.js": ANYBODY,
    "GET /widget/frame": ANYBODY,
    "GET /demo": ANYBODY,
    "GET /demo/delivery": ANYBODY,
    "POST /api/widget/session": ANYBODY,
    "POST /api/wire": ANYBODY,
    "GET /console": AGENTS,
    "POST /api/ticket": AGENTS,
    "GET /api/canned": AGENTS,
    "GET /api/colleagues": AGENTS,
    "GET /api/conversations": AGENTS,
    "GET /api/conversations/{c}": AGENTS,
    "GET /admin": AGENTS,
    "GET /admin/canned": AGENTS,
    "GET /admin/canned/new": AGENTS,
    "POST /admin/canned/new": AGENTS,
    "GET /admin/canned/{reply_id}": AGENTS,
    "POST /admin/canned/{reply_id}": AGENTS,
    "POST /admin/canned/{reply_id}/delete": AGENTS,
    "GET /admin/ratings": SUPERVISORS,
    "GET /admin/agents": ADMINS,
    "GET /admin/agents/new": ADMINS,
    "POST /admin/agents/new": ADMINS,
    "GET /admin/agents/{agent_id}": ADMINS,
    "POST /admin/agents/{agent_id}": ADMINS,
    "POST /admin/agents/{agent_id}/password": ADMINS,
    "GET /admin/teams": ADMINS,
    "GET /admin/teams/new": ADMINS,
    "POST /admin/teams/new": ADMINS,
    "GET /admin/teams/{team_id}": ADMINS,
    "POST /admin/teams/{team_id}": ADMINS,
    "GET /admin/sites": ADMINS,
    "GET /admin/sites/new": ADMINS,
    "POST /admin/sites/new": ADMINS,
    "GET /admin/sites/{site_id}": ADMINS,
    "POST /admin/sites/{site_id}": ADMINS,
    "POST /admin/sites/{site_id}/secret/reveal": ADMINS,
    "POST /admin/sites/{site_id}/secret/rotate": ADMINS,
}
UNKNOWN = "01a20224-7cfb-76e5-8e8c-97b160d232fa"
GUARDED = [route for route, policy in POLICIES.items() if policy != ANYBODY]


def routes_of(router: Any) -> Iterator[str]:
    """Every route of an application, included routers and all, as `GET /path`."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes_of(inner)
        else:
            yield from (f"{method} {route.path}" for method in route.methods)


async def test_every_route_has_a_policy_and_every_policy_a_route(server: Deskbell) -> None:
    assert set(routes_of(server.web)) == set(POLICIES)


def address(route: str) -> tuple[str, str]:
    method, path = route.split(" ")
    for name in ("reply_id", "agent_id", "team_id", "site_id", "c"):
        path = path.replace(f"{{{name}}}", UNKNOWN)
    return method, path


def body(path: str) -> dict[str, Any]:
    return {"json": {}} if path.startswith("/api/") else {"data": {"x": "y"}}


async def test_without_a_session_nothing_is_given_away(visit: Visit) -> None:
    client = await visit()
    for route in GUARDED:
        method, path = address(route)
        answer = await client.request(method, path, **(body(path) if method == "POST" else {}))
        if path.startswith("/api/"):
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), route
        else:
            assert answer.status_code == 303, route
            assert answer.headers["location"].startswith("/sign-in?next=/"), route


@pytest.mark.parametrize("name", ROLES)
async def test_each_role_gets_in_or_is_told_that_it_may_not(visit: Visit, name: str) -> None:
    client = await visit(name)
    for route in GUARDED:
        if route == "POST /sign-out":
            continue
        method, path = address(route)
        answer = await client.request(method, path, **(body(path) if method == "POST" else {}))
        if name in ALLOWED[POLICIES[route]]:
            assert answer.status_code in {200, 303, 404, 422}, (route, answer.text[:200])
        else:
            assert answer.status_code == 403, (route, answer.text[:200])


async def test_what_belongs_to_another_looks_like_what_does_not_exist(visit: Visit, cast: Cast) -> None:
    """The same bytes for both, but for the request's own number."""
    ana, otto = await visit("ana"), await visit("otto")
    form = {"title": "Mine", "shortcut": "mine", "body": "Hello", "scope": "personal"}
    assert (await ana.post("/admin/canned/new", data=form)).status_code == 303
    [reply] = (await ana.get("/api/canned")).json()["replies"]
    for path in ("", "/delete"):
        foreign = await otto.post(f"/admin/canned/{reply['id']}{path}", data={**form, "version": "1"})
        missing = await otto.post(f"/admin/canned/{UNKNOWN}{path}", data={**form, "version": "1"})
        assert foreign.status_code == missing.status_code == 404
        assert foreign.text == missing.text
    assert (await ana.get("/api/canned")).json()["replies"] == [reply]
