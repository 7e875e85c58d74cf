"""What comes back when something is wrong: a code of the closed list, never a 500, for people a page."""

import asyncio
import json
from typing import Any

import pytest

from app.main import Deskbell
from app.protocol.codes import ERRORS
from tests.pages.conftest import URL, Cast, Visit

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b'{"a": NaN}', "bad_json"),
        (b'{"a": -Infinity}', "bad_json"),
        (b'{"a": 1, "a": 2}', "bad_json"),
        (b'{"a": 1e999}', "invalid"),
        (b'{"a": 1180591620717411303424}', "invalid"),
        (b'{"a": ' + b"9" * 5000 + b"}", "invalid"),
        (b"[" * 17 + b"]" * 17, "too_complex"),
        (b"[" * 100_000, "too_complex"),
        (json.dumps({str(n): n for n in range(201)}).encode(), "too_complex"),
        (b'{"a": "\\u0000"}', "bad_text"),
        (b'{"a": "\\ud800"}', "bad_text"),
        (b'{"\\ud800": 1}', "bad_text"),
        (b'{"a": 1}', "invalid"),
        (b"[]", "invalid"),
        (b"null", "invalid"),
        (b'"' + b"x" * 300_000 + b'"', "too_large"),
    ],
)
async def test_a_bad_body_is_answered_with_its_code(visit: Visit, body: bytes, code: str) -> None:
    answer = await (await visit("ana")).post("/api/ticket", content=body, headers=JSON)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (ERRORS[code], code)
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error["message"].endswith(".")


async def test_a_body_that_lies_about_its_length_is_cut_off(server: Deskbell, visit: Visit) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * 10_000

    answer = await (await visit("ana")).post("/api/ticket", content=endless(), headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "host", ["evil.com/x?y#", "a b", "", "exa\u00e4mple", "[::1", "evil.com:port", "x" * 300, "a,b"]
)
async def test_a_host_that_cannot_be_one_is_refused(server: Deskbell, host: str) -> None:
    status, body = await raw(server, "GET", "/healthz", [(b"host", host.encode("latin-1"))])
    assert (status, json.loads(body)["error"]["code"]) == (400, "bad_host")


async def test_two_hosts_are_refused(server: Deskbell) -> None:
    status, _ = await raw(server, "GET", "/healthz", [(b"host", b"a.example"), (b"host", b"b.example")])
    assert status == 400


@pytest.mark.parametrize("path", ["/api/nothing", "/nothing", "/admin/nothing", "/assets/nothing"])
async def test_what_is_not_there(visit: Visit, path: str) -> None:
    client = await visit("ana")
    program = await client.get(path, headers={"Accept": "application/json"})
    assert (program.status_code, program.json()["error"]["code"]) == (404, "not_found")
    person = await client.get(path)
    assert person.status_code == 404
    assert ("<h1>Nothing here</h1>" in person.text) is not path.startswith("/api/")


async def test_an_id_that_cannot_be_one_is_like_an_id_of_nothing(visit: Visit) -> None:
    client = await visit("ada")
    answers = [await client.get(f"/admin/canned/{one}") for one in ("x", "1' OR 1=1", "%00", "\u00e9")]
    assert {answer.status_code for answer in answers} == {404}


async def test_a_method_that_is_not_taken(visit: Visit) -> None:
    answer = await (await visit("ana")).delete("/api/ticket")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_an_unexpected_fault_has_a_number_and_tells_nothing(server: Deskbell, visit: Visit) -> None:
    async def broken() -> None:
        raise RuntimeError("the secret of the house")

    server.web.add_api_route("/api/broken", broken)
    answer = await (await visit()).get("/api/broken")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "internal")
    assert error["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_person_who_may_not_sees_a_page_in_words(visit: Visit) -> None:
    answer = await (await visit("ana")).get("/admin/agents")
    assert answer.status_code == 403
    assert "Your role does not allow this" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


async def test_the_database_being_away_is_said_and_passes(server: Deskbell, visit: Visit, cast: Cast) -> None:
    client = await visit("ana")
    url = server.database.url
    await server.database.close()
    try:
        server.database.__init__("postgresql+asyncpg://nobody@127.0.0.1:1/none")
        answer = await client.get("/api/canned")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        page = await client.get("/admin/canned")
        assert page.status_code == 503
        assert "Back in a moment" in page.text
    finally:
        await server.database.close()
        server.database.__init__(url)
    assert (await client.get("/api/canned")).status_code == 200


async def raw(server: Deskbell, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Ask with headers that no client would send."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await server(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


async def test_the_same_host_rule_lets_ordinary_names_pass(server: Deskbell) -> None:
    for host in (b"127.0.0.1:8000", b"chat.example", b"[::1]:8000", b"my_host", b"LOCALHOST"):
        status, _ = await raw(server, "GET", "/healthz", [(b"host", host)])
        assert status == 200, (host, URL)
