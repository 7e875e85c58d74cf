"""What a journey can ask for beside real server processes: a real browser."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.conftest import StartServer as StartServer
from tests.journeys.chromium import FLAGS, find_chromium
from tests.journeys.house import House, a_house
from tests.journeys.innocents import innocents as innocents
from tests.journeys.innocents import no_faults as no_faults
from tests.journeys.stage import Stage, a_stage
from tests.real_servers import RealServers

# A busy machine takes its time; what never comes still fails.
expect.set_options(timeout=30_000)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium; each person of the cast gets a context of their own: `await browser.new_context()`."""
    path = find_chromium()
    assert path, "there is no Chromium: run `make test`, or `python -m tests.journeys.chromium`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standing_stage(servers: RealServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One stage for all tests that leave it as they found it."""
    async with a_stage(servers, tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def stage(standing_stage: Stage) -> AsyncIterator[Stage]:
    """Two server processes, shared by many tests, each with shops and people of its own.

    Such a module says `pytestmark = pytest.mark.asyncio(loop_scope="session")`.
    """
    await standing_stage.forget_limits()
    yield standing_stage
    await standing_stage.send_home()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standing_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One house for all tests that break its servers and mend them again."""
    async with a_house(tmp_path_factory.mktemp("house"), visitor_messages_per_minute=6000) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def house(standing_house: House) -> AsyncIterator[House]:
    """Servers to be stopped and killed, and two server processes on them."""
    await standing_house.stage.forget_limits()
    yield standing_house
    await standing_house.stage.send_home()
