"""The admin pages in a real browser: by keyboard, with a live preview, and inert whatever people wrote."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Route, expect

from app import clock
from app.canned.models import CannedReply
from app.chat.models import Conversation, Episode
from app.contacts.models import Visitor
from app.identity.models import Agent
from app.identity.permissions import Role
from app.ids import uuid7
from app.infra.database import Database
from app.infra.passwords import hash_password
from app.infra.work import Work
from app.surveys.models import Rating
from tests.journeys.conftest import StartServer
from tests.people import a_site, a_team, an_agent

PASSWORD = "a kettle sings at noon"
WEB = Path(__file__).parents[2] / "web"
GOLDEN = json.loads((WEB.parent / "tests" / "golden" / "canned.json").read_text(encoding="utf-8"))
HOSTILE = (
    "<script>window.hit=1</script>",
    '"><img src=x onerror=window.hit=1>',
    "' autofocus onfocus=window.hit=1 x='",
    "</textarea></title><svg onload=window.hit=1>",
)


@pytest.fixture
async def ada(server_process: StartServer, database: Database, browser: Browser) -> AsyncIterator[Page]:
    """Ada the admin, signed in by the form, on the list of canned replies. Nothing may go wrong in her browser."""
    async with database.sessions.begin() as session:
        work = Work(session)
        team = await a_team(work)
        await a_site(work, team)
        agent = await an_agent(work, "Ada", Role.ADMIN, team)
        agent.password_hash = await hash_password(PASSWORD)
    server = await server_process()
    context = await browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 860})
    page = await context.new_page()
    faults: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # A refused form is an answer with a status, not a fault of the page.
        if message.type == "error" and "status of 4" not in message.text:
            faults.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto("/admin/canned")
    await expect(page).to_have_url(re.compile(r"/sign-in\?next=/admin/canned$"))
    await page.keyboard.type("ada@desk.example")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/admin/canned$"))
    yield page
    await context.close()
    assert faults == []


async def test_a_reply_is_written_searched_changed_and_deleted_by_keyboard(ada: Page) -> None:
    await expect(ada.get_by_role("heading", name="Write an answer once")).to_be_visible()
    await ada.get_by_role("link", name="New reply").press("Enter")
    await ada.get_by_label("Title").fill("Opening hours")
    await ada.get_by_label("Title").press("Tab")
    await ada.keyboard.type("hours")
    await ada.keyboard.press("Tab")
    await ada.keyboard.type("Hello {{visitor.name|there}}, we are here from nine to five. {{agent.name}}")
    bubble = ada.locator("[data-bubble]")
    await expect(bubble).to_have_text("Hello Vera, we are here from nine to five. Ada")
    await expect(ada.locator("[data-changes]")).to_have_text("Changed: Title, Shortcut, Reply")
    await ada.get_by_label("Visitor's name", exact=True).last.fill("")
    await expect(bubble).to_have_text("Hello there, we are here from nine to five. Ada")
    await ada.get_by_label("Agent's name", exact=True).last.fill("")
    await expect(ada.locator("[data-unfilled]")).to_contain_text("agent.name")
    await ada.get_by_role("button", name="Create reply").press("Enter")
    await expect(ada.get_by_role("status")).to_have_text("Created.")

    await ada.keyboard.press("/")
    await ada.keyboard.type("nine")
    await expect(ada.get_by_role("link", name="Opening hours")).to_be_visible()
    await ada.keyboard.type(" nowhere")
    await expect(ada.get_by_role("link", name="Opening hours")).to_be_hidden()
    for _ in " nowhere":
        await ada.keyboard.press("Backspace")
    await ada.keyboard.press("Enter")
    await expect(ada).to_have_url(re.compile(r"q=nine"))
    await ada.locator("body").press("j")
    await expect(ada.get_by_role("link", name="Opening hours")).to_be_focused()
    await ada.keyboard.press("Enter")

    body = ada.get_by_label("Reply", exact=True)
    await body.fill("Hello {{visitor.nmae}}")
    await body.press("Tab")
    await expect(ada.locator("[data-body-problem]")).to_have_text("There is no variable “visitor.nmae”.")
    await ada.get_by_role("button", name="Save reply").press("Enter")
    await expect(ada.locator("#body-wrong")).to_contain_text("There is no variable “visitor.nmae”. Known ones:")
    await expect(body).to_be_focused()
    await expect(body).to_have_value("Hello {{visitor.nmae}}")
    await expect(ada.locator("[data-changes]")).to_have_text("Not saved yet")
    await body.fill("Hello {{visitor.name|there}}")
    await ada.get_by_role("button", name="Save reply").press("Enter")
    await expect(ada.get_by_role("status")).to_have_text("Saved.")

    await ada.get_by_role("link", name="Opening hours").press("Enter")
    await ada.get_by_role("button", name="Delete", exact=True).press("Enter")
    question = ada.get_by_role("dialog", name="Delete this reply?")
    await expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    await ada.keyboard.press("Escape")
    await expect(question).to_be_hidden()
    await ada.get_by_role("button", name="Delete", exact=True).press("Enter")
    await ada.keyboard.press("Tab")
    await ada.keyboard.press("Enter")
    await expect(ada.get_by_role("status")).to_have_text("Deleted.")
    await expect(ada.get_by_role("heading", name="Write an answer once")).to_be_visible()


async def test_leaving_a_changed_form_asks_first(ada: Page) -> None:
    asked: list[str] = []

    async def stay(dialog: object) -> None:
        asked.append(dialog.type)  # pyright: ignore[reportAttributeAccessIssue]
        await dialog.dismiss()  # pyright: ignore[reportAttributeAccessIssue]

    ada.on("dialog", stay)
    await ada.goto("/admin/canned/new")
    await ada.get_by_label("Title").fill("Half written")
    await ada.get_by_role("link", name="Cancel").click()
    await expect(ada.get_by_label("Title")).to_have_value("Half written")
    assert asked == ["beforeunload"]


async def test_a_site_is_made_and_its_snippet_can_be_copied(ada: Page) -> None:
    await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ada.goto("/admin/sites/new")
    await ada.get_by_label("Name", exact=True).fill("Tea & pots")
    await expect(ada.locator("[data-show=name]")).to_have_text("Tea & pots")
    await ada.get_by_label("Allowed origins").fill("https://tea.example\nhttp://localhost:3000/")
    await ada.get_by_label("Colour", exact=True).fill("#225533")
    asked = ada.locator(".mini-body .asked")
    await expect(asked).to_have_css("background-color", "rgb(34, 85, 51)")
    await ada.get_by_role("button", name="Create site").click()
    await expect(ada.get_by_role("status")).to_have_text("Created.")
    snippet = await ada.locator("#snippet").inner_text()
    assert re.fullmatch(
        r'<script async src="http://127\.0\.0\.1:\d+/widget\.js" data-site="s_[0-9a-f]{12}"></script>', snippet
    )
    await ada.locator("[data-copy=snippet]").click()
    await expect(ada.locator("[data-copy=snippet]")).to_have_text("Copied")
    assert await ada.evaluate("navigator.clipboard.readText()") == snippet


async def test_an_agent_is_made_who_can_sign_in_with_the_password_shown(ada: Page, browser: Browser) -> None:
    await ada.goto("/admin/agents/new")
    await ada.get_by_label("Name", exact=True).fill("Ben")
    await ada.get_by_label("E-mail").fill("ben@desk.example")
    password = await ada.get_by_label("First password").input_value()
    await ada.get_by_role("button", name="Create agent").click()
    await expect(ada.get_by_role("row", name=re.compile("Ben.*ben@desk.example"))).to_contain_text("Agent")

    context = await browser.new_context(base_url=ada.url.split("/admin")[0])
    ben = await context.new_page()
    await ben.goto("/sign-in?next=/admin")
    await ben.get_by_label("E-mail").fill("ben@desk.example")
    await ben.get_by_label("Password").fill(password)
    await ben.get_by_role("button", name="Sign in").click()
    await expect(ben).to_have_url(re.compile("/admin/canned$"))
    await expect(ben.get_by_role("link", name="Agents")).to_have_count(0)
    await context.close()


async def test_hostile_words_run_nowhere(ada: Page, database: Database) -> None:
    await write_hostile_words(database)
    await ada.goto("/admin/canned")
    paths = ["/admin", "/admin/canned", "/admin/ratings", "/admin/agents", "/admin/teams", "/admin/sites"]
    for start in ("/admin/canned", "/admin/agents", "/admin/teams", "/admin/sites"):
        await ada.goto(start)
        hrefs = await ada.locator(".rows .what a").evaluate_all("links => links.map((a) => a.getAttribute('href'))")
        paths += hrefs
    for path in paths:
        await ada.goto(path)
        assert await ada.evaluate("window.hit") is None, path
        assert await ada.locator("img[src=x], svg[onload], [onfocus], main script").count() == 0, path
    await ada.goto("/admin/ratings")
    for words in HOSTILE:
        await expect(ada.locator("blockquote").get_by_text(words, exact=True)).to_be_visible()
    await ada.goto("/admin/canned/new")
    for words in HOSTILE:
        await ada.get_by_label("Reply", exact=True).fill(words)
        await expect(ada.locator("[data-bubble]")).to_have_text(words)
        assert await ada.evaluate("window.hit") is None


async def write_hostile_words(database: Database) -> None:
    """One of everything that has words, with each of the hostile words."""
    async with database.sessions.begin() as session:
        work = Work(session)
        for number, words in enumerate(HOSTILE):
            team = await a_team(work, words)
            site = await a_site(work, team, name=words, greeting=words)
            agent = await an_agent(work, "Eve", Role.AGENT, team, email=f"eve{number}@desk.example")
            agent.name = words
            visitor = Visitor(id=uuid7(), site_id=site.id, name=words)
            reply = CannedReply(scope="team", team_id=team.id, title=words, shortcut=f"x{number}", body=words)
            session.add_all([visitor, reply])
            await session.flush()
            conversation = Conversation(
                id=uuid7(), site_id=site.id, team_id=team.id, visitor_id=visitor.id, state="closed"
            )
            session.add(conversation)
            await session.flush()
            episode = closed_episode(conversation, agent)
            session.add(episode)
            await session.flush()
            session.add(
                Rating(
                    episode_id=episode.id, conversation_id=conversation.id, site_id=site.id, team_id=team.id,
                    agent_id=agent.id, visitor_id=visitor.id, score=1, comment=words,
                )
            )  # fmt: skip


def closed_episode(conversation: Conversation, agent: Agent) -> Episode:
    now = clock.now()
    return Episode(
        id=uuid7(), conversation_id=conversation.id, number=1, site_id=conversation.site_id,
        team_id=conversation.team_id, agent_id=agent.id, queued_at=now, assigned_at=now, closed_at=now,
        outcome="answered", rating_prompted_at=now,
    )  # fmt: skip


async def test_the_browser_fills_variables_as_the_server_does(browser: Browser) -> None:
    """web/shared/canned.js against tests/golden/canned.json, as app/canned/render.py in tests/canned."""
    context = await browser.new_context()
    page = await context.new_page()

    async def serve(route: Route) -> None:
        if route.request.url.endswith(".js"):
            await route.fulfill(path=WEB / "shared" / "canned.js", content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html>", content_type="text/html")

    await page.route("http://golden.example/**", serve)
    await page.goto("http://golden.example/")
    done = await page.evaluate(
        """async (cases) => {
          const { fill, textOf } = await import("/canned.js");
          return cases.map(({ body, values }) => {
            const { parts, unfilled } = fill(body, values);
            return { text: textOf(parts), unfilled };
          });
        }""",
        GOLDEN,
    )
    await context.close()
    assert done == [{"text": case["text"], "unfilled": case["unfilled"]} for case in GOLDEN]
