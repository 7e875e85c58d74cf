"""A visitor's browser on the demo shop: the page, the launcher, the chat in its frame."""

from __future__ import annotations

import asyncio

from playwright.async_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from tests.journeys.server_process import ServerProcess


class VisitorPage:
    """One visitor. The shop is opened as http://localhost, the widget comes from http://127.0.0.1: a foreign site.

    Args:
        context: the visitor's own browser profile.
        page: the shop.
    """

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))

    def _hear(self, kind: str, text: str) -> None:
        # A server that was killed refuses connections; the browser notes it, and so does the chat.
        if kind == "error" and "WebSocket" not in text and "ERR_CONNECTION_REFUSED" not in text:
            self.complaints.append(text)

    @property
    def launcher(self) -> Locator:
        return self.page.locator("deskbell-chat button")

    @property
    def chat(self) -> FrameLocator:
        return self.page.frame_locator("deskbell-chat iframe")

    @property
    def composer(self) -> Locator:
        return self.chat.get_by_label("Your message")

    @property
    def messages(self) -> Locator:
        return self.chat.locator(".message bdi:not(.name bdi)")

    def button(self, name: str) -> Locator:
        return self.chat.get_by_role("button", name=name, exact=True)

    async def open(self) -> None:
        await self.launcher.click()
        await expect(self.chat.locator(".head")).to_be_visible()

    async def say(self, text: str) -> None:
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def holds(self, expression: str) -> None:
        """Wait until something is true on the shop's page, whose policy forbids Playwright's own way of waiting."""
        for _ in range(600):
            if await self.page.evaluate(expression):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"it never held: {expression}")

    async def sees(self, text: str) -> None:
        await expect(self.chat.get_by_text(text)).to_be_visible()


async def visit_shop(browser: Browser, server: ServerProcess | str, **context: object) -> VisitorPage:
    """Open the shop of a server (or of an address, http://127.0.0.1:…) in a fresh profile."""
    url = server if isinstance(server, str) else server.url
    profile = await browser.new_context(**context)  # type: ignore[arg-type]
    visitor = VisitorPage(profile, await profile.new_page())
    await visitor.page.goto(f"{url.replace('127.0.0.1', 'localhost')}/demo")
    await expect(visitor.launcher).to_be_visible()
    return visitor
