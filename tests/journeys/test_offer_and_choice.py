"""In browsers: an offer accepted, declined and run out, why it was this agent, a message left instead of waiting."""

from playwright.async_api import Browser, expect
from sqlalchemy import text

from app.infra.database import Database
from tests.conftest import StartServer
from tests.journeys.at_the_console import open_console
from tests.journeys.cast import open_shop
from tests.journeys.visitor_page import visit_shop


async def run(database: Database, statement: str, **values: object) -> None:
    async with database.sessions.begin() as session:
        await session.execute(text(statement), values)


async def test_offers_are_answered_at_the_console(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    await run(database, "UPDATE team SET mode = 'offer' WHERE id = :t", t=shop.team_id)
    duty = await shop.hire("Ana")
    ana = await open_console(browser, server, duty)
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("Where is my pot?")
    offer = ana.locator(".offer")
    await expect(offer).to_contain_text("Where is my pot?")
    await offer.get_by_role("button", name="Decline").click()
    await expect(offer).to_have_count(0)
    await expect(vera.chat.locator(".place")).to_be_visible()

    # A minute later she is asked again, and lets it run out, twice: then she is set away, and told so.
    for _ in range(2):
        await run(database, "UPDATE conversation SET declined_until = now() WHERE declined_until IS NOT NULL")
        await expect(offer).to_be_visible()
        await run(database, "UPDATE conversation SET offer_expires_at = now() WHERE state = 'offered'")
        await expect(offer).to_have_count(0)
    await expect(ana.get_by_role("alert").filter(has_text="Two chats were offered to you")).to_be_visible()
    await expect(ana.get_by_role("switch")).to_have_attribute("aria-checked", "false")

    await run(database, "UPDATE conversation SET declined_until = now() WHERE declined_until IS NOT NULL")
    # By keyboard alone.
    back = ana.get_by_role("button", name="I'm back")
    await back.focus()
    await ana.keyboard.press("Enter")
    await expect(offer).to_be_visible()
    # From the list it is the same as from the card.
    await ana.get_by_role("link", name="Waiting").click()
    await ana.locator(".row-link").first.click()
    await expect(ana.locator(".wall")).to_contain_text("You are being asked right now.")
    await ana.keyboard.press("a")
    await vera.sees("Ana is here")
    # The last of its offers says why it was she.
    why = ana.locator("details.why").last
    await why.locator("summary").focus()
    await ana.keyboard.press("Enter")
    await expect(why).to_contain_text("whoever has the most room")
    await expect(why).to_contain_text("0 of 4 chats · got it")


async def test_who_has_waited_for_long_asks_for_a_call_back(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    await run(database, "UPDATE team SET choice_after_s = 60 WHERE id = :t", t=shop.team_id)
    fay = await open_console(browser, server, await shop.hire("Fay", capacity=0, role="supervisor"))
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("Where is my pot?")
    await expect(vera.chat.locator(".waiting")).to_be_visible()
    await run(database, "UPDATE conversation SET queued_at = now() - interval '3 minutes', changed_at = now()")
    await vera.button("Ask for a call back").click()
    await vera.chat.get_by_label("E-mail").fill("vera@example.com")
    # What she said in line goes with it.
    await expect(vera.chat.get_by_label("Your question")).to_have_attribute("placeholder", "Please call me back.")
    await vera.chat.get_by_label("Your question").fill("It never came.")
    # What she has written is hers whatever she looks at.
    await vera.button("Keep waiting").click()
    await vera.button("Ask for a call back").click()
    await expect(vera.chat.get_by_label("Your question")).to_have_value("It never came.")
    await vera.button("Ask for a call").click()
    await vera.sees("Please write a phone number like +49 30 123456.")
    await vera.chat.get_by_label("Phone number").fill("+49 30 123456")
    await vera.chat.get_by_label("Phone number").press("Enter")
    await vera.sees("Your message is with us.")
    await expect(vera.messages).to_have_text(["Where is my pot?", "It never came."])

    await fay.get_by_role("link", name="Messages").click()
    await fay.locator(".row-link").first.click()
    await expect(fay.locator(".talk")).to_contain_text("Asks to be called back: +49 30 123456")
    assert not vera.complaints


async def test_who_is_passed_on_reads_to_whom_and_writes_nothing_twice(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(server.url)
    vera = await visit_shop(browser, server)
    await vera.open()
    await vera.say("Where is my pot?")
    await vera.sees("Ana is here")
    duty = await shop.hire("Ben")
    ben = await duty.come(server.url)
    ben.auto_accept = False
    head = (await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active"))["head"]
    passed = {"t": "transfer", "c": head["c"], "gen": head["gen"], "agent": duty.id, "note": ""}
    # Their presence is announced a moment after they came.
    while (answer := await ana.post(passed))["t"] == "err":
        assert answer["code"] == "no_agents"
    await vera.sees("Ben has been asked")
    await expect(vera.chat.get_by_text("so nobody asks twice")).to_have_count(0)
    offer = await ben.until(lambda f: f["t"] == "offer")
    await ben.command({"t": "offer.accept", "c": head["c"], "gen": offer["gen"]})
    await vera.sees("Ben is here")
    assert not vera.complaints
    for each in (ana, ben):
        await each.close()
