"""An agent at the console, in a real browser."""

from typing import Any

from playwright.async_api import Browser, BrowserContext, Page

from app.canned.models import CannedReply
from app.infra.database import Database
from tests.journeys.cast import AgentOnDuty
from tests.journeys.server_process import ServerProcess


async def open_console(browser: Browser, server: ServerProcess, agent: AgentOnDuty, **options: Any) -> Page:
    """The console of an agent who has signed in, live."""
    context = await browser.new_context(locale="en-GB", **options)
    await bring_session(context, server, agent)
    page = await context.new_page()
    await page.goto(f"{server.url}/console")
    await is_live(page)
    return page


async def bring_session(context: BrowserContext, server: ServerProcess, agent: AgentOnDuty) -> None:
    """Give a browser the session of an agent, as signing in would."""
    await context.add_cookies([{"name": "deskbell", "value": agent.session_token, "url": server.url}])


async def is_live(page: Page) -> None:
    """Wait until the foot of the list says so."""
    await page.locator('.foot .link-line[data-state="live"]').wait_for(timeout=20_000)


async def world(page: Page) -> dict[str, Any]:
    """What the console's store holds, as the page's own modules see it."""
    return await page.evaluate(
        """async () => {
          const entry = document.querySelector('script[type="module"]').src;
          const { world } = await import(new URL("state/desk.js", entry));
          const { me, teams, heads, offers } = world.value;
          return { me, teams, heads, offers };
        }"""
    )


async def add_replies(database: Database, replies: dict[str, tuple[str, str]]) -> None:
    """Canned replies for everyone: shortcut → title, body."""
    async with database.sessions() as session:
        for shortcut, (title, body) in replies.items():
            session.add(CannedReply(scope="everyone", title=title, shortcut=shortcut, body=body))
        await session.commit()
