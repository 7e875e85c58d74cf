"""The widget on a foreign page with the strictest policy: the narrow roads beside the main one."""

import asyncio
import hashlib
import hmac
import re

from playwright.async_api import Browser, expect
from sqlalchemy import text

from app.infra.database import Database
from tests.journeys.cast import open_shop
from tests.journeys.conftest import StartServer
from tests.journeys.server_process import free_port
from tests.journeys.visitor_page import visit_shop


async def test_nothing_is_stored_before_the_chat_is_opened(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    await open_shop(database)
    vera = await visit_shop(browser, server)
    asked: list[str] = []
    vera.page.on("request", lambda request: asked.append(request.url))
    await vera.page.reload()
    await expect(vera.launcher).to_be_visible()
    assert [url for url in asked if url.startswith(server.url)] == [f"{server.url}/widget.js"]
    stored = "[localStorage.length, sessionStorage.length, document.cookie]"
    assert await vera.page.evaluate(stored) == [0, 0, ""]

    await vera.open()
    await expect(vera.chat.get_by_role("heading", name="Shop")).to_be_visible()
    assert await vera.context.cookies() == []
    assert vera.complaints == [], "the policy of the page or of the frame was broken"


async def test_the_keyboard_opens_and_closes_the_chat(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.launcher.focus()
    await vera.page.keyboard.press("Enter")
    await expect(vera.composer).to_be_focused()
    await expect(vera.launcher).to_have_attribute("aria-expanded", "true")
    await vera.page.keyboard.press("Escape")
    await expect(vera.launcher).to_have_attribute("aria-expanded", "false")
    await expect(vera.launcher).to_be_focused()
    await ana.close()


async def test_a_refused_message_stays_with_its_words(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("Hello")
    await vera.sees("Ana joined")
    await vera.say("A bell: \x07")
    await vera.sees("Not sent")
    await expect(vera.messages).to_have_text(["Hello", re.compile("A bell")])
    await vera.button("Retry").click()
    await vera.sees("Not sent")
    await vera.say("Without the bell")
    await vera.sees("Sent")
    await vera.button("Discard").click()
    await expect(vera.messages).to_have_text(["Hello", "Without the bell"])
    await ana.close()


async def test_an_over_long_text_is_kept_in_the_composer(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("🫖" * 5001)
    await vera.sees("1 character too many")
    await expect(vera.composer).to_have_value("🫖" * 5001)
    await vera.say("🫖" * 5000)
    await expect(vera.composer).to_have_value("")
    await vera.sees("Ana joined")
    await ana.close()


async def test_unsent_words_and_the_draft_survive_a_reload(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    lost = {"on": False}

    def between(socket: object) -> None:
        """A network that swallows what is sent, when it wants to."""
        to_server = socket.connect_to_server()  # type: ignore[attr-defined]

        def forward(message: str) -> None:
            if not (lost["on"] and '"t":"send"' in message):
                to_server.send(message)

        socket.on_message(forward)  # type: ignore[attr-defined]

    await vera.context.route_web_socket(re.compile("/ws$"), between)
    await vera.page.reload()
    await vera.open()
    await vera.say("First")
    await vera.sees("Ana joined")
    lost["on"] = True
    for words in ("Second", "Third"):
        await vera.say(words)
    await expect(vera.chat.get_by_text("Sending")).to_have_count(2)
    await vera.composer.fill("Not finished yet")
    await vera.holds("JSON.stringify(localStorage).includes('Not finished yet')")
    lost["on"] = False
    await vera.page.reload()
    await expect(vera.composer).to_have_value("Not finished yet")
    await expect(vera.chat.get_by_text("Sending")).to_have_count(0)
    await expect(vera.messages).to_have_text(["First", "Second", "Third"])
    c = (await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active"))["head"]["c"]
    assert [e["data"]["text"] for e in await ana.sync_all(c) if e["kind"] == "message"] == ["First", "Second", "Third"]
    await ana.close()


async def test_the_second_in_line_sees_their_place_and_may_leave_a_message(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana", capacity=0)).come(server.url)
    vera, vic = await visit_shop(browser, server), await visit_shop(browser, server)
    for visitor, words in ((vera, "Where is my pot?"), (vic, "Where is my cup?")):
        await visitor.open()
        await visitor.say(words)
        await expect(visitor.chat.locator(".waiting")).to_be_visible()
    await expect(vera.chat.locator(".place")).to_have_text("1st in line")
    await expect(vic.chat.locator(".place")).to_have_text("2nd in line")
    await vera.button("Leave a message instead").click()
    # Her place is hers until the message is sent.
    await vera.button("Keep waiting").click()
    await vera.button("Leave a message instead").click()
    await vera.chat.get_by_label("E-mail").fill("vera@")
    await vera.chat.get_by_label("Your question").fill("The blue one, order 7.")
    await vera.button("Leave message").click()
    await vera.sees("Please write an e-mail address like name@example.com.")
    await vera.chat.get_by_label("E-mail").fill("vera@example.com")
    await vera.button("Leave message").click()
    await vera.sees("Your message is with us.")
    await expect(vic.chat.locator(".place")).to_have_text("1st in line")
    await expect(vera.messages).to_have_text(["Where is my pot?", "The blue one, order 7."])
    await ana.until(lambda f: f["t"] == "head" and f["head"]["left_message"])
    await ana.close()


async def test_nobody_is_there(server_process: StartServer, database: Database, browser: Browser) -> None:
    server = await server_process()
    await open_shop(database)
    vera = await visit_shop(browser, server)
    await vera.open()
    await expect(vera.chat.get_by_role("heading", name="Leave your question")).to_be_visible()
    await vera.button("Leave message").click()
    await vera.sees("Please write an e-mail address like name@example.com.")
    await vera.sees("Please write your question.")
    await vera.chat.get_by_label("E-mail").fill("vera@example.com")
    await vera.chat.get_by_label("Your question").fill("Do you ship to Norway?")
    await vera.button("Leave message").click()
    await vera.sees("Your message is with us.")
    await expect(vera.chat.locator(".thanks")).to_be_focused()
    async with database.sessions() as session:
        emails = (await session.execute(text("SELECT email FROM visitor"))).scalars().all()
    assert "vera@example.com" in emails


async def test_a_chat_is_ended_rated_by_keyboard_and_begun_again(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("Hello")
    await vera.sees("Ana joined")
    await vera.button("End chat").click()
    await vera.chat.get_by_role("dialog").get_by_role("button", name="End chat").click()
    await vera.sees("You ended the chat.")
    faces = vera.chat.get_by_role("radiogroup", name="How was this chat?")
    await faces.get_by_role("radio", name="Very bad").focus()
    for _ in range(3):
        await vera.page.keyboard.press("ArrowRight")
    await expect(faces.get_by_role("radio", name="Good", exact=True)).to_be_checked()
    await vera.chat.get_by_label("Anything you'd like to add?").fill("Kind and quick.")
    await vera.button("Send rating").click()
    await vera.sees("Thank you for telling us.")
    async with database.sessions() as session:
        rated = (await session.execute(text("SELECT score, comment FROM rating"))).one()
    assert tuple(rated) == (4, "Kind and quick.")

    await vera.button("Start a new chat").click()
    await expect(vera.composer).to_be_focused()
    await vera.say("One more thing")
    await vera.sees("A new chat began")
    await expect(vera.messages).to_have_text(["Hello", "One more thing"])
    await ana.close()


async def test_whoever_comes_back_finds_the_conversation(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process(visitor_messages_per_minute=6000)
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("Hello")
    await vera.sees("Ana joined")
    c = (await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active"))["head"]["c"]
    for number in range(60):
        await ana.say(c, f"Answer {number}")
        await asyncio.sleep(0.1)  # a client may send twenty frames a second
    await vera.page.goto(f"{server.url}/demo/delivery".replace("127.0.0.1", "localhost"))
    await vera.sees("Answer 59")
    await expect(vera.chat.get_by_text("Hello", exact=True)).to_have_count(0)
    await expect(vera.button("Show earlier messages")).to_be_attached()
    await vera.chat.get_by_role("region", name="Conversation").evaluate("(log) => log.scrollTo(0, 0)")
    await expect(vera.messages).to_have_count(61)
    await vera.button("Close chat").click()
    await ana.say(c, "Are you still there?")
    await expect(vera.launcher).to_have_attribute("aria-label", "Chat with us (1 unread)")
    await vera.launcher.click()
    await expect(vera.launcher).to_have_attribute("aria-label", "Close chat")
    await vera.sees("Are you still there?")
    await ana.until(lambda f: f["t"] == "eph" and f["kind"] == "read")
    await ana.close()


async def test_a_site_may_insist_on_name_and_address(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database, pre_chat="required")
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("Hello")
    await vera.sees("Please write your name.")
    await expect(vera.chat.get_by_label("Name")).to_be_focused()
    await vera.chat.get_by_label("Name").fill("Vera")
    await vera.composer.press("Enter")
    await vera.sees("Please write an e-mail address like name@example.com.")
    await expect(vera.composer).to_have_value("Hello")
    await vera.chat.get_by_label("E-mail").fill("vera@example.com")
    await vera.composer.press("Enter")
    await vera.sees("Ana joined")
    head = (await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active"))["head"]
    assert (head["visitor"]["name"], head["visitor"]["email"]) == ("Vera", "vera@example.com")
    await ana.close()


async def test_the_page_says_who_it_is_and_forgets_them(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database, pre_chat="required")
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.page.evaluate("void Deskbell.on('error', (error) => (window.refused = error))")
    await vera.open()
    await vera.composer.fill("Hello")
    await vera.page.evaluate("Deskbell.identify({ id: '7', name: 'Vera', hmac: 'not the right one' })")
    await vera.holds("window.refused?.code === 'unauthorized'")
    seal = hmac.new(shop.identity_secret.encode(), b"7\nvera@example.com\nVera", hashlib.sha256).hexdigest()
    user = {"id": "7", "name": "Vera", "email": "vera@example.com", "hmac": seal}
    await vera.page.evaluate("(user) => Deskbell.identify(user)", user)
    await expect(vera.chat.get_by_label("Name")).to_have_count(0)
    await expect(vera.composer).to_have_value("Hello")
    await vera.composer.press("Enter")
    await vera.sees("Ana joined")
    head = (await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active"))["head"]
    assert (head["visitor"]["name"], head["visitor"]["verified"]) == ("Vera", True)

    await vera.page.evaluate("Deskbell.logout()")
    await expect(vera.launcher).to_have_attribute("aria-expanded", "false")
    await vera.open()
    await expect(vera.chat.get_by_label("Name")).to_be_visible()
    await expect(vera.messages).to_have_count(0)
    assert "Hello" not in await vera.page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")
    await ana.close()


async def test_a_page_that_is_not_the_sites_cannot_show_the_chat(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    site_port, other_port = free_port(), free_port()
    shop = await open_shop(database, origins=(f"http://127.0.0.1:{site_port}",))
    tag = f'<!doctype html><body><script src="{server.url}/widget.js" data-site="{shop.site_key}"></script>'

    async def give(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(tag)}\r\nConnection: close\r\n\r\n"
        writer.write((head + tag).encode())
        await writer.drain()
        writer.close()

    page = await browser.new_page()
    async with (
        await asyncio.start_server(give, "127.0.0.1", site_port),
        await asyncio.start_server(give, "127.0.0.1", other_port),
    ):
        await page.goto(f"http://127.0.0.1:{other_port}/")
        async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            await page.locator("deskbell-chat button").click()

        await page.goto(f"http://127.0.0.1:{site_port}/")
        await page.locator("deskbell-chat button").click()
        await expect(page.frame_locator("deskbell-chat iframe").locator(".head")).to_be_visible()
        await page.close()
