"""The ground that journeys stand on: two server processes, a crash and a restart, a page in a browser."""

import asyncio
import urllib.request

from playwright.async_api import Browser

from tests.journeys.conftest import StartServer
from tests.journeys.server_process import ServerProcess


async def answer(server: ServerProcess) -> int:
    return await asyncio.to_thread(lambda: urllib.request.urlopen(f"{server.url}/readyz", timeout=5).status)


async def test_one_of_two_server_processes_is_killed_and_comes_back(server_process: StartServer) -> None:
    first, second = await server_process(), await server_process()
    assert first.pid != second.pid
    assert (await answer(first), await answer(second)) == (200, 200)

    await first.kill()
    assert await answer(second) == 200

    killed = first.pid
    await first.restart()
    assert first.pid != killed
    assert await answer(first) == 200


async def test_a_server_process_ends_by_itself_when_asked(server_process: StartServer) -> None:
    server = await server_process()
    await server.stop()
    assert "Traceback" not in server.log


async def test_a_browser_opens_a_page_of_a_server_process(server_process: StartServer, browser: Browser) -> None:
    server = await server_process()
    page = await browser.new_page()
    response = await page.goto(f"{server.url}/readyz")
    assert response is not None
    assert response.status == 200
