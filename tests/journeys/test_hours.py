"""A team with opening hours: outside them visitors read when it opens and leave a message; inside they get in line."""

import json
import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import Browser, expect
from sqlalchemy import text

from app.clock import to_ms
from app.infra.database import Database
from app.routing.hours import DAYS, parsed, to_json
from tests.conftest import StartServer
from tests.journeys.cast import Shop, open_shop, visit
from tests.journeys.visitor_page import visit_shop
from tests.journeys.wire_client import new_id


def in_three_days() -> datetime:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=3, hours=9)


async def set_hours(database: Database, shop: Shop, *week: str) -> None:
    """Write a team's hours (UTC), as its form would."""
    stored = to_json(parsed("UTC", week, "", ""))
    async with database.sessions() as session:
        await session.execute(
            text("UPDATE team SET hours = :hours WHERE id = :team"), {"hours": json.dumps(stored), "team": shop.team_id}
        )
        await session.commit()


async def test_a_closed_team_takes_messages_until_it_opens(server_process: StartServer, database: Database) -> None:
    server = await server_process()
    shop = await open_shop(database)
    opens = in_three_days()
    await set_hours(database, shop, *("9-17" if day == opens.weekday() else "" for day in range(len(DAYS))))
    ana = await (await shop.hire("Ana")).come(server.url)
    vera, _ = await visit(server.url, shop)
    assert (vera.snapshot["available"], vera.snapshot["opens_at"]) == (False, to_ms(opens))
    assert (await vera.refused({"t": "start"}))["code"] == "no_agents"
    left = {"t": "leave_message", "m": new_id(), "email": "vera@example.com", "body": {"text": "Do you ship abroad?"}}
    c = (await vera.command(left))["c"]
    await ana.until(lambda f: f["t"] == "head" and f["head"]["c"] == c and f["head"]["left_message"])

    await set_hours(database, shop, *["0-24"] * 7)
    told = await vera.until(lambda f: f["t"] == "available" and f["available"])
    assert told["opens_at"] is None
    await vera.command({"t": "start"})
    await vera.event("joined")

    # Whoever talks is not cut off when the team closes.
    await set_hours(database, shop, *("9-17" if day == opens.weekday() else "" for day in range(len(DAYS))))
    vic, _ = await visit(server.url, shop)
    assert not vic.snapshot["available"]
    await vera.say(c, "Still here?")
    await ana.say(c, "Yes.")
    for client in (vera, vic, ana):
        await client.close()


async def test_the_chat_says_when_somebody_is_back(
    server_process: StartServer, database: Database, browser: Browser
) -> None:
    server = await server_process()
    shop = await open_shop(database)
    opens = in_three_days()
    await set_hours(database, shop, *("9-17" if day == opens.weekday() else "" for day in range(len(DAYS))))
    vera = await visit_shop(browser, server, timezone_id="UTC", locale="en-GB")
    await vera.open()
    await expect(vera.chat.get_by_text(re.compile(f"We're back {opens:%A}( at)? 9:00.AM"))).to_be_visible()
