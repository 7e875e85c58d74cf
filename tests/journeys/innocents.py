"""Fixtures for tests with hostile clients: others chat on through it all, and the server's log stays clean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.journeys.stage import Stage

FAULTS = ("Traceback", "ASGI callable", "command.failed", "hello.failed", "parser failed", "handshake failed")


@pytest_asyncio.fixture(loop_scope="session")
async def no_faults(stage: Stage) -> AsyncIterator[None]:
    """Whatever a client says, it is no fault of ours, and the server processes live on."""
    servers = (stage.one, stage.two)
    before = [(len(server.log), server.pid) for server in servers]
    yield
    for server, (seen, pid) in zip(servers, before, strict=True):
        assert server.pid == pid
        assert not [mark for mark in FAULTS if mark in server.log[seen:]], server.log[seen:]


@pytest_asyncio.fixture(loop_scope="session")
async def innocents(stage: Stage, no_faults: None) -> AsyncIterator[None]:
    """Vic and Ben chat meanwhile; nothing of theirs is lost, doubled or out of order."""
    shop = await stage.shop()
    ben, vic = await stage.agent(await shop.hire("Ben")), await stage.visitor(shop)
    c, _ = await stage.chat(vic, ben)
    said: list[str] = []

    async def go_on() -> None:
        while True:
            words = f"words {len(said)}"
            said.append(words)
            await vic.say(c, words)
            await asyncio.sleep(1)

    talking = asyncio.create_task(go_on())
    yield
    talking.cancel()
    (ended,) = await asyncio.gather(talking, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended
    await vic.say(c, "the end")
    await ben.until(lambda f: f.get("data") == {"text": "the end"})
    assert ben.texts(c) in ([*said, "the end"], [*said[:-1], "the end"]), "the last one may not have left"
