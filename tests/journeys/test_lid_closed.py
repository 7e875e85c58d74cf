"""An agent closes their laptop in the middle of a chat: the visitor is told, and served by somebody else in turn."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGSTOP
from uuid import UUID

from playwright.async_api import Browser, expect
from sqlalchemy import text

from app.infra.database import Database
from tests.conftest import StartServer
from tests.journeys.at_the_console import is_live, open_console
from tests.journeys.cast import open_shop, visit
from tests.process_table import children


@contextmanager
def lid_closed() -> Iterator[None]:
    """Every process of the browser stands still, as on a machine that sleeps."""
    stopped = [pid for pid, line in descendants(os.getpid()) if "--headless" in line or "--type=" in line]
    assert stopped, "there is a browser"
    for pid in stopped:
        os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, SIGCONT)


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Yield a process's children, theirs, and so on, with their command lines."""
    for child, line in children(pid).items():
        yield child, line
        yield from descendants(child)


async def test_a_closed_laptop_gives_its_chats_back_at_their_places(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    duty = await shop.hire("Ana", capacity=1)
    console = await open_console(browser, server, duty)
    vera, _ = await visit(server.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")
    await vera.say(c, "Where is my order?")
    ben = await (await shop.hire("Ben", capacity=1)).come(server.url)
    vin, _ = await visit(server.url, shop)
    vins = (await vin.command({"t": "start", "name": "Vin"}))["c"]
    gen = (await ben.head(vins, "active"))["gen"]
    vic, _ = await visit(server.url, shop)
    vics = (await vic.command({"t": "start", "name": "Vic"}))["conversation"]
    if vics["position"] is None:
        await vic.until(lambda f: f["t"] == "queue" and f["position"] == 1)

    with lid_closed():
        # A ping without an answer; then half a minute in which she may come back, of which the test waits one second.
        async with asyncio.timeout(60):
            while await present(database, duty.id):
                await asyncio.sleep(0.2)
        async with database.sessions() as session:
            await session.execute(
                text("UPDATE agent SET seen_at = seen_at - interval '29 seconds' WHERE id = :a"), {"a": UUID(duty.id)}
            )
            await session.commit()
        told = await vera.event("requeued")
        assert told["data"] == {"reason": "agent_gone"}
        await vera.until(lambda f: f["t"] == "queue" and f["position"] == 1)
        await vic.until(lambda f: f["t"] == "queue" and f["position"] == 2)
        await ben.command({"t": "close", "c": vins, "gen": gen})
        joined = await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
        assert joined["c"] == c
        await ben.say(c, "I am looking.")
        await vera.until(lambda f: f.get("data") == {"text": "I am looking."})

    # She opens it again: the console comes back by itself, and the chat is somebody else's now.
    await is_live(console)
    async with asyncio.timeout(30):
        while not await present(database, duty.id):
            await asyncio.sleep(0.2)
    await expect(console.get_by_text("Vera", exact=True).first).not_to_be_visible()
    await vic.event("joined")
    for client in (vera, vin, vic, ben):
        await client.close()


async def present(database: Database, agent_id: str) -> bool:
    async with database.sessions() as session:
        found = await session.execute(text("SELECT count(*) FROM presence WHERE subject = :a"), {"a": UUID(agent_id)})
        return found.scalar_one() > 0
