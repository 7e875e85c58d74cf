"""The agents' console against real server processes: the keyboard's road, drafts, notes, failures, coming back."""

import asyncio
import re

from playwright.async_api import Browser, Page, expect

from app.infra.database import Database
from tests.journeys.at_the_console import add_replies, bring_session, is_live, open_console, world
from tests.journeys.cast import open_shop, visit
from tests.journeys.conftest import StartServer

REPLIES = {
    "greet": ("Greeting", "Hi {{visitor.name|there}}, this is {{agent.name}}."),
    "return": ("Returns", "You can send it back within 60 days, {{visitor.name}}."),
}


def field(page: Page):
    """The composer's text field."""
    return page.locator(".composer textarea")


def bubble(page: Page, text: str):
    """A message of the open conversation."""
    return page.locator(".talk .bubble", has_text=text)


async def open_first(page: Page) -> None:
    """Open the first chat of the list by its key, once there is one."""
    await page.locator(".row").first.wait_for()
    await page.keyboard.press("j")


async def test_a_chat_from_arrival_to_close_with_the_keyboard_alone(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    one, two = await server_process(), await server_process()
    shop = await open_shop(database)
    await add_replies(database, REPLIES)
    ana = await open_console(browser, two, await shop.hire("Ana"))
    vera, _ = await visit(one.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")

    await open_first(ana)
    await expect(ana.locator(".thread-head h2")).to_contain_text("Vera")
    await vera.say(c, "Does the jacket run small?")
    await expect(bubble(ana, "Does the jacket run small?")).to_be_visible()
    await vera.until(lambda f: f["t"] == "eph" and f["kind"] == "read" and f["data"]["by"] == "agent")

    await ana.keyboard.press("/")
    await expect(ana.get_by_role("listbox", name="Canned replies")).to_contain_text("Greeting")
    await ana.keyboard.type("gre")
    await expect(ana.locator(".picker-body")).to_have_text("Hi Vera, this is Ana.")
    await ana.keyboard.press("Enter")
    await expect(field(ana)).to_have_value("Hi Vera, this is Ana.")
    await ana.keyboard.type(" It runs roomy.")
    await ana.keyboard.press("Enter")
    told = await vera.until(lambda f: f["t"] == "ev" and f["kind"] == "message" and f["from"]["kind"] == "agent")
    assert told["data"]["text"] == "Hi Vera, this is Ana. It runs roomy."
    assert told["data"]["canned"]
    await expect(ana.locator(".fate")).to_have_text("Sent")
    await vera.command({"t": "read", "c": c, "s": told["s"]})
    await expect(ana.locator(".fate")).to_have_text("Read")

    await ana.keyboard.press("Escape")
    await ana.keyboard.press("e")
    closed = await vera.event("closed")
    assert closed["data"]["by"] == "agent"
    await expect(ana.locator(".list")).to_contain_text("No chats yet")
    await ana.keyboard.press("g")
    await ana.keyboard.press("c")
    await open_first(ana)
    await expect(ana.locator(".wall")).to_contain_text("This chat is closed")
    await vera.command({"t": "rate", "c": c, "score": 5, "comment": "Quick and kind."})
    await expect(ana.locator(".rated")).to_contain_text("Quick and kind.")
    await ana.keyboard.press("o")
    await vera.event("reopened")
    await expect(field(ana)).to_be_visible()


async def test_an_open_variable_blocks_sending(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    await add_replies(database, REPLIES)
    ana = await open_console(browser, server, await shop.hire("Ana"))
    vera, _ = await visit(server.url, shop)
    c = (await vera.command({"t": "start"}))["c"]
    await vera.event("joined")

    await open_first(ana)
    await expect(ana.locator(".thread-head h2")).to_contain_text("Visitor ")
    await ana.keyboard.press("/")
    await expect(ana.get_by_role("option", name="Returns")).to_be_visible()
    await ana.keyboard.type("ret")
    await ana.keyboard.press("Enter")
    await expect(field(ana)).to_have_value("You can send it back within 60 days, {{visitor.name}}.")
    await expect(ana.get_by_role("button", name="Send")).to_be_disabled()
    await ana.keyboard.press("Enter")
    await expect(ana.locator(".send-why")).to_contain_text("Fill in the highlighted part first")
    assert vera.texts(c) == []
    # The variable is selected already: what is typed takes its place.
    await ana.keyboard.type("Kim")
    await ana.keyboard.press("Enter")
    await vera.event("message")
    assert vera.texts(c) == ["You can send it back within 60 days, Kim."]


async def test_visitor_never_sees_a_note(server_process: StartServer, browser: Browser, database: Database) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await open_console(browser, server, await shop.hire("Ana"))
    vera, token = await visit(server.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")

    await open_first(ana)
    await ana.keyboard.press("n")
    await ana.keyboard.type("Returned an L last autumn")
    await ana.keyboard.press("Enter")
    await expect(ana.locator('.message[data-note="true"]', has_text="Returned an L last autumn")).to_be_visible()
    await expect(ana.locator('.message[data-fate="pending"]')).to_have_count(0)
    await ana.keyboard.press("Escape")
    await ana.keyboard.press("r")
    await ana.keyboard.type("For the visitor")
    await ana.keyboard.press("Enter")
    await vera.event("message")

    again, _ = await visit(server.url, shop, token)
    await again.event("message")
    for client in (vera, again):
        assert client.texts(c) == ["For the visitor"]
        assert "autumn" not in str(client.log)


async def test_reconnect_heals_itself_and_keeps_what_was_written(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    near, far = await server_process(), await server_process()
    shop = await open_shop(database)
    ana = await open_console(browser, near, await shop.hire("Ana"))
    vera, _ = await visit(far.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")
    await open_first(ana)
    await vera.say(c, "Before")
    await expect(bubble(ana, "Before")).to_be_visible()

    await near.kill()
    await expect(ana.locator(".thread-link")).to_contain_text("replies are kept", timeout=15_000)
    await ana.keyboard.press("r")
    await ana.keyboard.type("Written while away")
    await ana.keyboard.press("Enter")
    await expect(ana.locator('.message[data-fate="pending"]')).to_contain_text("goes out when we're back")
    await vera.say(c, "Are you there?")
    await near.start()
    await is_live(ana)
    await vera.until(lambda f: f["t"] == "ev" and f["data"].get("text") == "Written while away")
    await expect(bubble(ana, "Are you there?")).to_have_count(1)
    await expect(ana.locator(".fate")).to_have_text(re.compile("Sent|Read"))
    assert vera.texts(c) == ["Before", "Are you there?", "Written while away"]

    fresh = await ana.context.new_page()
    await fresh.goto(f"{near.url}/console")
    await is_live(fresh)
    await same_world(ana, fresh)


async def test_a_long_lived_console_shows_what_a_fresh_one_shows(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    on_duty = await shop.hire("Ana", capacity=1)
    ana = await open_console(browser, server, on_duty)
    ben = await (await shop.hire("Ben", capacity=0)).come(server.url)
    vera, _ = await visit(server.url, shop)
    vic, _ = await visit(server.url, shop)

    async def same_as_fresh() -> None:
        fresh = await ana.context.new_page()
        await fresh.goto(f"{server.url}/console")
        await is_live(fresh)
        await same_world(ana, fresh)
        await fresh.close()

    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")
    waiting = (await vic.command({"t": "start", "name": "Vic"}))["c"]
    await same_as_fresh()
    await vera.say(c, "Hello")
    await open_first(ana)
    await expect(bubble(ana, "Hello")).to_be_visible()
    await same_as_fresh()
    await vic.say(waiting, "Me too")
    await same_as_fresh()
    await ana.keyboard.press("e")
    await vic.event("joined")
    await same_as_fresh()
    await ben.close()


async def same_world(lived: Page, fresh: Page) -> None:
    """Both consoles hold the same: at once, or as soon as the last news is in."""
    for attempt in range(40):
        one, other = await world(lived), await world(fresh)
        # A page that was there longer may know chats that a snapshot leaves out.
        one["heads"] = {c: head for c, head in one["heads"].items() if c in other["heads"]}
        if one == other or attempt == 39:
            assert one == other
            return
        await asyncio.sleep(0.1)


async def test_a_failed_text_is_kept_with_its_ways_out(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await open_console(browser, server, await shop.hire("Ana"))
    vera, _ = await visit(server.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")
    await open_first(ana)
    await ana.keyboard.press("r")

    await field(ana).fill("x" * 5001)
    await expect(ana.locator(".send-why")).to_contain_text("1 characters too many")
    await expect(ana.get_by_role("button", name="Send")).to_be_disabled()

    await field(ana).fill("A bell \u0007 in the text")
    await ana.keyboard.press("Enter")
    await expect(ana.locator(".fate.failed")).to_contain_text("Not sent. It holds a character that can't be stored.")
    await expect(bubble(ana, "in the text")).to_be_visible()
    await ana.reload()
    await is_live(ana)
    await expect(ana.locator(".fate.failed")).to_be_visible()
    await ana.get_by_role("button", name="Discard").click()
    await expect(bubble(ana, "in the text")).to_have_count(0)
    assert vera.texts(c) == []


async def test_unread_chats_show_in_the_title_and_the_list(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await open_console(browser, server, await shop.hire("Ana"))
    vera, _ = await visit(server.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")
    await expect(ana).to_have_title("Deskbell")
    await vera.say(c, "One")
    await vera.say(c, "Two")
    await expect(ana).to_have_title("(1) Deskbell")
    await expect(ana.locator(".row .count")).to_have_text("2 unread")
    assert await ana.locator('link[rel="icon"]').get_attribute("href") == await ana.evaluate(
        "document.querySelector('link[rel=icon]').href.replace('icon.svg', 'icon-unread.svg')"
    )
    await open_first(ana)
    await expect(ana).to_have_title("Deskbell")
    await ana.keyboard.press("u")
    await expect(ana).to_have_title("(1) Deskbell")


async def test_a_closed_chat_that_comes_back_shows_what_was_said_meanwhile(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await open_console(browser, server, await shop.hire("Ana"))
    vera, _ = await visit(server.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")
    await open_first(ana)
    for time in ("first", "second", "third"):
        await vera.say(c, f"For the {time} time")
        await expect(bubble(ana, f"For the {time} time")).to_be_visible()
        await ana.keyboard.press("e")
        await expect(ana.locator(".list")).to_contain_text("No chats yet")
        await vera.command({"t": "rate", "c": c, "score": 5})
        seen = len(vera.log)
        await vera.command({"t": "start"})
        await vera.say(c, f"And after the {time} time")
        await vera.event("joined", after=seen)
        await open_first(ana)
        await expect(bubble(ana, f"And after the {time} time")).to_be_visible()


async def test_drafts_stay_with_their_chat_and_their_agent(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana_on_duty, ben_on_duty = await shop.hire("Ana"), await shop.hire("Ben", capacity=0)
    ana = await open_console(browser, server, ana_on_duty)
    for name in ("Vera", "Vic"):
        client, _ = await visit(server.url, shop)
        await client.command({"t": "start", "name": name})
        await client.event("joined")
    await expect(ana.locator(".row")).to_have_count(2)
    await open_first(ana)
    await ana.keyboard.press("r")
    await ana.keyboard.type("Half a thought")
    await ana.keyboard.press("Alt+ArrowDown")
    await expect(field(ana)).to_have_value("")
    await expect(ana.locator(".draft-mark")).to_have_count(1)
    await ana.reload()
    await is_live(ana)
    await ana.keyboard.press("Alt+1")
    await expect(field(ana)).to_have_value("Half a thought")
    # A chat with words that were not sent is not closed by a slip.
    await field(ana).press("Escape")
    await ana.keyboard.press("e")
    await expect(ana.locator(".toasts")).to_contain_text("You have not sent what you wrote here.")
    await expect(ana.locator(".row")).to_have_count(2)
    await bring_session(ana.context, server, ben_on_duty)
    await ana.reload()
    await is_live(ana)
    await expect(ana.locator(".draft-mark")).to_have_count(0)


async def test_waiting_chats_are_taken_by_whoever_is_faster(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await open_console(browser, server, await shop.hire("Ana"))
    ben = await (await shop.hire("Ben")).come(server.url)
    # Cas is here and accepts, but has no room: visitors may wait.
    cas = await (await shop.hire("Cas", capacity=0)).come(server.url)
    await ben.command({"t": "status", "accept": False})
    await ana.get_by_role("switch", name="Accepting chats").click()
    await expect(ana.get_by_role("switch", name="Not accepting")).to_be_visible()
    waiting = {}
    for name in ("Vera", "Vic"):
        client, _ = await visit(server.url, shop)
        waiting[name] = (await client.command({"t": "start", "name": name}))["c"]

    await ana.keyboard.press("g")
    await ana.keyboard.press("q")
    await expect(ana.locator(".row")).to_have_count(2)
    await expect(ana.locator(".row .pill").first).to_be_visible()
    seen = (await world(ana))["heads"][waiting["Vera"]]
    await ben.command({"t": "claim", "c": waiting["Vera"], "gen": seen["gen"]})
    await expect(ana.locator(".row")).to_have_count(1)
    # As if Ana had clicked before the news was here.
    await ana.evaluate(
        """async (head) => {
          const entry = document.querySelector('script[type="module"]').src;
          const { take } = await import(new URL("actions.js", entry));
          await take(head);
        }""",
        seen,
    )
    await expect(ana.locator(".toast")).to_contain_text("Ben was faster.")
    await ana.keyboard.press("j")
    await expect(ana.locator(".wall")).to_contain_text("Vic is waiting for an agent.")
    await ana.keyboard.press("a")
    await expect(field(ana)).to_be_visible()
    await expect(ana.locator(".load")).to_have_text("1 of 4")
    await cas.close()


async def test_without_a_session_one_is_sent_to_sign_in(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    stranger = await (await browser.new_context()).new_page()
    await stranger.goto(f"{server.url}/console")
    await stranger.wait_for_url("**/sign-in?next=/console")
    on_duty = await shop.hire("Ana")
    ana = await open_console(browser, server, on_duty)
    await ana.get_by_role("button", name="Signed in as Ana").click()
    await ana.get_by_role("button", name="Sign out").click()
    await ana.wait_for_url("**/sign-in**")


async def test_a_chat_is_passed_on_with_the_keyboard_declined_and_taken(
    server_process: StartServer, browser: Browser, database: Database
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await open_console(browser, server, await shop.hire("Ana"))
    vera, _ = await visit(server.url, shop)
    c = (await vera.command({"t": "start", "name": "Vera"}))["c"]
    await vera.event("joined")
    ben = await open_console(browser, server, await shop.hire("Ben"))
    offer = ben.get_by_role("region", name="Offers")

    for key in ("d", "a"):
        await open_first(ana)
        await expect(field(ana)).to_be_visible()
        await ana.keyboard.press("t")
        dialog = ana.get_by_role("dialog", name="Pass on")
        await expect(dialog.get_by_label("Colleague or team")).to_be_focused()
        await expect(dialog.get_by_role("radio", name="Ben")).to_be_enabled()
        await ana.keyboard.type("be")
        await expect(dialog.get_by_role("button", name="Pass to Ben")).to_be_enabled()
        await dialog.get_by_label("Note for them").fill("She waits for a refund.")
        await dialog.get_by_role("button", name="Pass to Ben").press("Enter")
        await expect(dialog).to_be_hidden()
        await expect(ana.locator(".list")).to_contain_text("No chats yet")
        await expect(offer).to_contain_text("Ana passes Vera to you")
        await expect(offer).to_contain_text("She waits for a refund.")
        await ben.keyboard.press(key)
        if key == "d":
            await expect(ana.locator(".list .row .count")).to_have_count(1)
            await expect(ana.locator(".toasts")).to_contain_text("Nobody took the chat with Vera: it is yours again.")
    await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
    await expect(ben.locator(".message[data-note=true]").first).to_contain_text("She waits for a refund.")
    await expect(ben.locator(".talk")).to_contain_text("Ana passed the chat to you")
    assert [e["data"]["to"]["agent"]["name"] for e in vera.events[c, "public"] if e["kind"] == "passed"] == [
        "Ben",
        "Ben",
    ]
