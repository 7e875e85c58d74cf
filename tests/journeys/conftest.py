"""What a journey can ask for beside real server processes: a real browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.conftest import StartServer as StartServer
from tests.journeys.chromium import FLAGS, find_chromium

# A busy machine takes its time; what never comes still fails.
expect.set_options(timeout=15_000)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium; each person of the cast gets a context of their own: `await browser.new_context()`."""
    path = find_chromium()
    assert path, "there is no Chromium: run `make test`, or `python -m tests.journeys.chromium`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        await browser.close()
