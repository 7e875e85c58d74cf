"""What a journey can ask for: real server processes and a real browser."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from app.settings import Settings
from tests.journeys.chromium import FLAGS, find_chromium
from tests.journeys.server_process import ServerProcess, free_port

StartServer = Callable[..., Awaitable[ServerProcess]]


@pytest.fixture
async def server_process(settings: Settings, tmp_path: Path) -> AsyncIterator[StartServer]:
    """Start server processes: `await server_process()` or `(port=9001, public_url=…, any setting=…)`.

    All of a test share its database, Redis prefix and secret key. Returns when it is ready.
    """
    started: list[ServerProcess] = []

    async def start(port: int | None = None, **changes: object) -> ServerProcess:
        port = port or free_port()
        changes = {"public_url": "", **changes}
        process = ServerProcess(settings.replaced(port=port, **changes), tmp_path / f"server-{port}.log")
        started.append(process)
        await process.start()
        return process

    yield start
    for process in started:
        await process.kill()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium; each person of the cast gets a context of their own: `await browser.new_context()`."""
    path = find_chromium()
    assert path, "there is no Chromium: run `make test`, or `python -m tests.journeys.chromium`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        await browser.close()
