"""The main road in a real browser: two visitors, one agent with room for one chat, two server processes, one crash."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from app.identity.first_run import ensure_first_run
from app.infra.database import Database
from app.infra.work import WorkUnits
from tests.journeys.at_the_console import add_replies, is_live
from tests.journeys.conftest import StartServer
from tests.journeys.visitor_page import visit_shop

PASSWORD = "a long enough password"


async def test_two_visitors_are_served_through_a_crash_and_the_rating_arrives(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    visitors, agents = await server_process(), await server_process()
    await open_desk(database, visitors.url)
    await add_replies(database, {"hello": ("Greeting", "Hello {{visitor.name|there}}, {{agent.name}} here.")})
    console = await sign_in(browser, agents.url)
    await expect(console.get_by_text("0 of 1")).to_be_visible()

    # The first visitor is assigned at once.
    vera = await visit_shop(browser, visitors, viewport={"width": 1280, "height": 800})
    await vera.open()
    await vera.chat.get_by_label("Name").fill("Vera")
    await vera.say("Is the blue teapot dishwasher safe?")
    await vera.sees("Ada joined")
    await console.locator(".list").get_by_text("Is the blue teapot dishwasher safe?").click()
    await expect(console.get_by_text("1 of 1")).to_be_visible()

    # The second one waits, and knows where they stand.
    vic = await visit_shop(browser, visitors, viewport={"width": 390, "height": 844})
    await vic.open()
    await vic.chat.get_by_label("Name").fill("Vic")
    await vic.say("Do you ship to Norway?")
    await expect(vic.chat.locator(".place")).to_have_text("1st in line")
    await picture(vic.page, "waiting-390")

    # A canned reply with the visitor's name, by keyboard alone; and an internal note that stays internal.
    composer = console.locator(".composer textarea")
    await composer.press_sequentially("/hello")
    await expect(console.get_by_role("option", name="Greeting")).to_be_visible()
    await picture(console, "console-picker")
    await composer.press("Enter")
    await composer.press("Enter")
    await vera.sees("Hello Vera, Ada here.")
    await console.keyboard.press("Escape")
    await console.keyboard.press("n")
    await console.locator(".composer textarea").fill("Second order this month.")
    await console.keyboard.press("Enter")
    await expect(console.get_by_text("Second order this month.")).to_be_visible()
    await vera.say("Thank you. And the lid?")
    await expect(console.get_by_text("Thank you. And the lid?").last).to_be_visible()

    # The visitor's server dies with a message on its way, and comes back.
    await visitors.kill()
    await vera.say("Are you still there?")
    await expect(vera.chat.get_by_text("We couldn't reach the server")).to_be_visible()
    await picture(vera.page, "widget-offline")
    await composer_says(console, "The lid too.")
    await visitors.start()
    # The widget comes back by itself; by then its next attempt may be up to thirty seconds away.
    await expect(vera.chat.get_by_text("The lid too.")).to_be_visible(timeout=60_000)
    await expect(console.get_by_text("Are you still there?").last).to_be_visible(timeout=60_000)
    said = [
        "Is the blue teapot dishwasher safe?",
        "Hello Vera, Ada here.",
        "Thank you. And the lid?",
        "The lid too.",
        "Are you still there?",
    ]
    await expect(vera.messages).to_have_count(len(said))
    assert sorted(await vera.messages.all_inner_texts()) == sorted(said)
    assert "Second order this month." not in await vera.chat.locator("body").inner_text()
    assert await stored_texts(database) == sorted([*said, "Do you ship to Norway?", "Second order this month."])
    await picture(console, "console-thread")
    await picture(vera.page, "widget-chat")

    # Closed and rated; the next in line is served at once.
    await console.get_by_role("button", name="Close").first.click()
    await vic.sees("Ada joined")
    await expect(vera.chat.get_by_role("radiogroup")).to_be_visible()
    await vera.chat.get_by_label("Very good").check(force=True)
    await vera.chat.get_by_label("Anything you'd like to add?").fill("Quick, and kind.")
    await picture(vera.page, "widget-rating")
    await vera.button("Send rating").click()
    await expect(vera.chat.get_by_text("Thank you for telling us.")).to_be_visible()
    async with database.sessions() as session:
        wait_s = await session.scalar(
            text(
                "SELECT extract(epoch FROM vic.assigned_at - vera.closed_at) FROM episode vic, episode vera "
                "WHERE vic.closed_at IS NULL AND vera.closed_at IS NOT NULL"
            )
        )
    assert 0 <= wait_s < 5, "the second visitor is served at the first one's end, not at some later sweep"

    # The rating shows on the admin page.
    await console.goto(f"{agents.url}/admin/ratings")
    await expect(console.get_by_text("Quick, and kind.")).to_be_visible()
    await expect(console.get_by_text("100 %").or_(console.get_by_text("100%")).first).to_be_visible()
    await picture(console, "admin-ratings")
    assert vera.complaints == []


async def open_desk(database: Database, url: str) -> None:
    """A first run, with an owner called Ada who takes one chat at a time."""

    async def nobody_reacts(facts: object) -> None:
        assert facts

    await ensure_first_run(
        WorkUnits(database, nobody_reacts), url, email="ada@shop.example", name="Ada", password=PASSWORD
    )
    async with database.sessions() as session:
        await session.execute(text("UPDATE agent SET capacity = 1"))
        await session.commit()


async def sign_in(browser: Browser, url: str) -> Page:
    """Ada opens the console and signs in with her password."""
    context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.goto(f"{url}/console")
    await page.get_by_label("E-mail").fill("ada@shop.example")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await is_live(page)
    return page


async def composer_says(console: Page, words: str) -> None:
    """Ada answers."""
    await console.get_by_role("tab", name="Reply").click()
    await console.locator(".composer textarea").fill(words)
    await console.keyboard.press("Enter")


async def stored_texts(database: Database) -> list[str]:
    """All words in the database, sorted."""
    async with database.sessions() as session:
        rows = await session.scalars(
            text("SELECT body->>'text' FROM message WHERE kind IN ('message', 'note') ORDER BY 1")
        )
        return sorted(rows)


async def picture(page: Page, name: str) -> None:
    """Keep a screenshot when DESKBELL_PICTURES names a directory."""
    directory = os.environ.get("DESKBELL_PICTURES")
    if directory:
        await page.screenshot(path=Path(directory) / f"{name}.png")
