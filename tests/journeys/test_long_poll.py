"""Without WebSocket: the same wire over plain HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, expect

from app.infra.database import Database
from tests.journeys.cast import open_shop
from tests.journeys.conftest import StartServer
from tests.journeys.server_process import free_port
from tests.journeys.upgrade_blocker import UpgradeBlocker
from tests.journeys.visitor_page import visit_shop
from tests.journeys.wire_client import agent_ticket, new_id, visitor_session


async def ask(
    url: str, token: str, *commands: dict[str, Any], pos: dict[str, Any] | None = None, wait: int = 0
) -> tuple[list[dict[str, Any]], httpx2.Response]:
    """One request of the long poll."""
    hello = {"t": "hello", "id": 1, "token": token, "pos": pos or {}}
    lines = "\n".join(json.dumps(line) for line in (hello, *commands))
    async with httpx2.AsyncClient(timeout=40) as http:
        answer = await http.post(
            f"{url}/api/wire",
            content=lines,
            headers={"Origin": url, "Content-Type": "text/plain", "Prefer": f"wait={wait}"},
        )
    frames = [json.loads(line) for line in answer.text.split("\n") if line] if answer.status_code == 200 else []
    return frames, answer


async def test_vera_talks_over_plain_http_on_two_processes(server_process: StartServer, database: Database) -> None:
    one, two = await server_process(), await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(two.url)
    token = (await visitor_session(one.url, shop.site_key))["token"]

    frames, _ = await ask(one.url, token, {"t": "start", "id": 2})
    c = next(f for f in frames if f.get("id") == 2)["c"]
    await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active")
    m = new_id()
    send = {"t": "send", "id": 3, "c": c, "m": m, "body": {"text": "Can you hear me?"}}
    frames, _ = await ask(one.url, token, send)
    said = next(f for f in frames if f.get("id") == 3)
    assert said["t"] == "ok"
    assert said["dup"] is False
    heard = await ana.until(lambda f: f["t"] == "ev" and f["kind"] == "message")
    assert heard["s"] == said["s"]

    # The same again, on the other process: not twice. What was heard is not heard again.
    frames, _ = await ask(two.url, token, send, pos={c: {"public": said["s"]}})
    assert next(f for f in frames if f.get("id") == 3)["dup"] is True
    assert [f for f in frames if f["t"] == "ev"] == []

    # A wait ends when there is news.
    await ana.say(c, "Loud and clear.")
    frames, _ = await ask(one.url, token, pos={c: {"public": said["s"]}}, wait=20)
    assert [f["data"]["text"] for f in frames if f["t"] == "ev"] == ["Loud and clear."]
    await ana.close()


async def test_who_may_not_poll_is_told_why(server_process: StartServer, database: Database) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await shop.hire("Ana")
    ticket = await agent_ticket(server.url, {"deskbell": ana.session_token})
    _, answer = await ask(server.url, ticket)
    assert answer.headers["deskbell-close"] == "4503", "agents have no long poll"
    _, answer = await ask(server.url, "no token at all")
    assert answer.headers["deskbell-close"] == "4500"
    async with httpx2.AsyncClient() as http:
        foreign = await http.post(f"{server.url}/api/wire", content="{}", headers={"Origin": "https://otto.example"})
        assert foreign.status_code == 403
        own = {"Origin": server.url, "Content-Type": "text/plain"}
        assert (await http.post(f"{server.url}/api/wire", content="", headers=own)).status_code == 422
        huge = await http.post(f"{server.url}/api/wire", content="x" * 70_000, headers=own)
        assert (huge.status_code, huge.json()["error"]["code"]) == (413, "too_large")


async def test_so_many_polls_wait_at_once_and_half_a_request_is_none(
    server_process: StartServer, database: Database
) -> None:
    server = await server_process(connections_per_address=6)
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    token = (await visitor_session(server.url, shop.site_key))["token"]
    frames, _ = await ask(server.url, token, {"t": "start", "id": 2})
    c = next(f for f in frames if f.get("id") == 2)["c"]
    head = await ana.head(c, "active", within_s=60)
    pos = {c: {"public": head["public"]}}

    # A request that is cut off in the middle does nothing, not even its whole lines.
    hello, send = ({"t": "hello", "id": 1, "token": token}, {"t": "send", "id": 2, "c": c, "m": new_id()})
    lines = json.dumps(hello) + "\n" + json.dumps({**send, "body": {"text": "half"}}) + "\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.settings.port)
    writer.write(
        f"POST /api/wire HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {server.url}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(lines) + 10}\r\n\r\n{lines}".encode()
    )
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()

    waiting = [asyncio.create_task(ask(server.url, token, pos=pos, wait=25)) for _ in range(6)]
    done, held = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    told = [answer.headers.get("deskbell-close") for _, answer in (task.result() for task in done)]
    assert told == ["4009"] * len(done), "five windows may wait"
    await ana.say(c, "Still there?")
    for task in held:
        frames, _ = await task
        assert [f["data"]["text"] for f in frames if f["t"] == "ev"] in (["Still there?"], []), "nothing of the half"
    assert ana.texts(c) == ["Still there?"]
    await ana.close()


# Late news were news when they set out: who has heard more since does not fall back to them.
@pytest.mark.parametrize("news_late_s", [0, 2])
async def test_the_widget_talks_through_a_proxy_that_blocks_upgrades(
    server_process: StartServer, database: Database, browser: Browser, news_late_s: float
) -> None:
    port = free_port()
    async with UpgradeBlocker(port, news_late_s) as proxy:
        outside = f"http://127.0.0.1:{proxy.port}"
        server = await server_process(port=port, public_url=outside, console_origins=(f"http://127.0.0.1:{port}",))
        shop = await open_shop(database)
        ana = await (await shop.hire("Ana")).come(server.url)
        vera = await visit_shop(browser, outside)
        await vera.open()
        await vera.say("Is anybody there?")
        await vera.sees("Ana joined")
        c = (await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active", within_s=60))["head"]["c"]
        # Said while she waited or after Ana came: it is in the lane either way.
        async with asyncio.timeout(60):
            while "Is anybody there?" not in [e["data"].get("text") for e in await ana.sync_all(c)]:
                await asyncio.sleep(0.2)
        assert proxy.upgrades >= 2, "the road was blocked"
        assert bool(proxy.late) == bool(news_late_s), "news were late"
        await ana.say(c, "Yes, here.")
        await vera.sees("Yes, here.")
        await vera.say("Good.")
        await ana.until(lambda f: f["t"] == "ev" and f.get("data", {}).get("text") == "Good.", within_s=60)
        await expect(vera.messages).to_have_text(["Is anybody there?", "Yes, here.", "Good."])
        await ana.close()
