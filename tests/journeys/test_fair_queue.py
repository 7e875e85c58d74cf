"""The fair queue over the wire: skills, strategies, declined and missed offers, a place kept, overflow, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.journeys.cast import Shop
from tests.journeys.stage import Stage
from tests.journeys.wire_client import Frame, WireClient, new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def a_shop(stage: Stage, **team: Any) -> Shop:
    """A shop whose team has other settings than the usual ones."""
    shop = await stage.shop()
    for name, value in team.items():
        await stage.sql(f"UPDATE team SET {name} = :value WHERE id = :team", value=value, team=shop.team_id)
    return shop


async def site(stage: Stage, shop: Shop, **details: Any) -> None:
    for name, value in details.items():
        await stage.sql(f"UPDATE site SET {name} = :value WHERE id = :site", value=value, site=shop.site_id)


async def asks(stage: Stage, shop: Shop, **start: Any) -> tuple[WireClient, str]:
    """Somebody new asks for an agent."""
    visitor = await stage.visitor(shop)
    return visitor, (await visitor.command({"t": "start", **start}))["c"]


async def offered(agent: WireClient, c: str, after: int = 0) -> Frame:
    return await agent.until(lambda f: f["t"] == "offer" and f["c"] == c, after=after)


async def is_served_by(visitor: WireClient, name: str) -> None:
    joined = await visitor.event("joined")
    assert joined["data"]["agent"]["name"] == name


# Skills and languages


async def test_who_needs_a_skill_gets_somebody_who_has_it(stage: Stage) -> None:
    shop = await stage.shop()
    await stage.agent(await shop.hire("Ana"))
    ben_duty = await shop.hire("Ben", skills=("returns", "vip"))
    await site(stage, shop, skills=["returns"])
    vera = await stage.visitor(shop)
    assert not vera.snapshot["available"], "nobody who is here can do it"
    assert (await vera.refused({"t": "start"}))["code"] == "no_agents"
    ben = await stage.agent(ben_duty)
    await vera.until(lambda f: f["t"] == "available" and f["available"])
    c = (await vera.command({"t": "start"}))["c"]
    await is_served_by(vera, "Ben")
    (line,) = [event for event in await ben.sync_all(c, "internal") if event["kind"] == "offered"]
    why = line["data"]["why"]
    assert (why["strategy"], why["skills"], why["reserved"]) == ("least_busy", ["returns"], False)
    assert [(agent["name"], agent.get("out")) for agent in why["agents"]] == [("Ben", None), ("Ana", "skills")]


async def test_a_language_is_matched_where_somebody_speaks_it(stage: Stage) -> None:
    shop = await stage.shop()
    await site(stage, shop, by_language=True)
    await stage.agent(await shop.hire("Ana", capacity=9))
    ben = await stage.agent(await shop.hire("Ben", skills=("de",)))
    await ben.command({"t": "status", "accept": True})
    for language, name in (("de-AT", "Ben"), ("de", "Ben"), ("fr", "Ana"), (None, "Ana")):
        vera, c = await asks(stage, shop, **({"language": language} if language else {}))
        joined = await vera.event("joined", c=c)
        if language is not None and language.startswith("de"):
            assert joined["data"]["agent"]["name"] == name
    await ben.command({"t": "status", "accept": False})
    vera, c = await asks(stage, shop, language="de")
    await is_served_by(vera, "Ana")


# Whom it is put before


async def test_where_agents_help_themselves_nobody_is_given_anything(stage: Stage) -> None:
    shop = await a_shop(stage, strategy="manual")
    ana = await stage.agent(await shop.hire("Ana"))
    vera, c = await asks(stage, shop)
    head = await ana.head(c, "waiting")
    # Whatever the sweep finds, it is not for it to hand out.
    await stage.sql("UPDATE conversation SET changed_at = now() - interval '5 seconds' WHERE id = :c", c=UUID(c))
    await stage.agent(await shop.hire("Ben"))
    assert not any(frame["t"] == "offer" for frame in ana.log)
    await ana.command({"t": "claim", "c": c, "gen": head["gen"]})
    await is_served_by(vera, "Ana")


async def test_a_team_takes_no_more_of_an_agent_than_its_share(stage: Stage) -> None:
    shop, other = await a_shop(stage, share=1), await stage.shop()
    duty = await shop.hire("Ana", capacity=3)
    await stage.sql(
        "INSERT INTO team_member (team_id, agent_id) VALUES (:team, :agent)", team=other.team_id, agent=UUID(duty.id)
    )
    ana = await stage.agent(duty)
    vera, c = await asks(stage, shop)
    gen = (await ana.head(c, "active"))["gen"]
    vic, vics = await asks(stage, shop)
    vin, _ = await asks(stage, other)
    await is_served_by(vin, "Ana")
    assert (await ana.head(vics, "waiting"))["agent"] is None
    await ana.command({"t": "close", "c": c, "gen": gen})
    await is_served_by(vic, "Ana")
    del vera


async def test_a_head_start_counts_and_no_more_than_that(stage: Stage) -> None:
    shop, boosted = await stage.shop(), await stage.shop()
    await stage.sql("UPDATE site SET team_id = :team WHERE id = :site", team=shop.team_id, site=boosted.site_id)
    await site(stage, boosted, boost_s=60)
    await stage.agent(await shop.hire("Fay", capacity=0))
    early, earlys = await asks(stage, shop)
    await stage.sql("UPDATE conversation SET score = score - 61000 WHERE id = :c", c=UUID(earlys))
    _, lates = await asks(stage, shop)
    _, firsts = await asks(stage, boosted)
    rows = await stage.sql("SELECT id::text FROM conversation WHERE team_id = :team ORDER BY score", team=shop.team_id)
    assert [row[0] for row in rows] == [earlys, firsts, lates]
    del early


# Offers that are answered by hand


async def test_who_declines_is_not_asked_again_while_others_are(stage: Stage) -> None:
    shop = await a_shop(stage, mode="offer")
    ana = await stage.agent(await shop.hire("Ana", capacity=9))
    ana.auto_accept = False
    vera, c = await asks(stage, shop)
    offer = await offered(ana, c)
    assert (offer["mode"], offer["ttl_ms"]) == ("offer", 20_000)
    await ana.command({"t": "offer.decline", "c": c, "gen": offer["gen"]})
    # Somebody who comes later is not held up by the one who was declined.
    vic, vics = await asks(stage, shop)
    second = await offered(ana, vics)
    await ana.command({"t": "offer.accept", "c": vics, "gen": second["gen"]})
    await is_served_by(vic, "Ana")
    ben = await stage.agent(await shop.hire("Ben"))
    ben.auto_accept = False
    third = await offered(ben, c)
    await ben.command({"t": "offer.decline", "c": c, "gen": third["gen"]})
    await ben.until(lambda f: f["t"] == "offer.gone" and f["c"] == c)
    await stage.until_sql("SELECT cardinality(declined) = 2 FROM conversation WHERE id = :c", c=UUID(c))
    # A minute later they are asked again; the visitor has kept their place all the time.
    seen = len(ana.log), len(ben.log)
    await stage.sql("UPDATE conversation SET declined_until = now() WHERE id = :c", c=UUID(c))
    # The less busy of the two is Ben.
    again = await offered(ben, c, after=seen[1])
    await ben.command({"t": "offer.accept", "c": c, "gen": again["gen"]})
    await is_served_by(vera, "Ben")
    assert sum(frame["t"] == "offer" and frame["c"] == c for frame in ana.log) == 1
    rows = await stage.sql("SELECT declined, declined_until FROM conversation WHERE id = :c", c=UUID(c))
    assert tuple(rows[0]) == ([], None)


async def test_who_declines_late_is_not_asked_again_either(stage: Stage) -> None:
    shop = await a_shop(stage, mode="offer")
    ana, ben = await stage.agent(await shop.hire("Ana")), await stage.agent(await shop.hire("Ben"))
    ana.auto_accept = ben.auto_accept = False
    _, c = await asks(stage, shop)
    offer = await offered(ana, c)
    await ana.command({"t": "offer.decline", "c": c, "gen": offer["gen"]})
    second = await offered(ben, c)
    # Ana's minute passes while Ben thinks about it.
    await stage.sql("UPDATE conversation SET declined_until = now() WHERE id = :c", c=UUID(c))
    seen = len(ana.log)
    await ben.command({"t": "offer.decline", "c": c, "gen": second["gen"]})
    await offered(ana, c, after=seen)
    kept_from = "SELECT declined FROM conversation WHERE id = :c AND declined_until > now() + interval '30 seconds'"
    (row,) = await stage.sql(kept_from, c=UUID(c))
    assert len(row.declined) == 1, "Ben has a minute of his own"


async def test_two_offers_in_a_row_that_run_out_send_an_agent_away(stage: Stage) -> None:
    shop = await a_shop(stage, mode="offer")
    duty = await shop.hire("Ana", capacity=9)
    ana = await stage.agent(duty)
    ana.auto_accept = False

    async def runs_out() -> None:
        _, c = await asks(stage, shop)
        await offered(ana, c)
        await stage.sql("UPDATE conversation SET offer_expires_at = now() WHERE id = :c", c=UUID(c))
        await ana.until(lambda f: f["t"] == "offer.gone" and f["c"] == c and f["reason"] == "expired")

    await runs_out()
    await stage.until_sql("SELECT missed = 1 AND accepting FROM agent WHERE id = :ana", ana=UUID(duty.id))
    _, c = await asks(stage, shop)
    offer = await offered(ana, c)
    await ana.command({"t": "offer.accept", "c": c, "gen": offer["gen"]})
    await runs_out()
    await stage.until_sql("SELECT missed = 1 AND accepting FROM agent WHERE id = :ana", ana=UUID(duty.id))
    await runs_out()
    me = await ana.until(lambda f: f["t"] == "me" and not f["me"]["accept"])
    assert me["me"]["note"] == "missed"
    await ana.command({"t": "status", "accept": True})
    await stage.until_sql("SELECT missed = 0 AND note IS NULL FROM agent WHERE id = :ana", ana=UUID(duty.id))


# A place kept for the agent of last time


async def came_back(stage: Stage, shop: Shop, agent: WireClient) -> tuple[WireClient, str]:
    """A visitor who was served before; they have not asked again yet."""
    visitor, c = await asks(stage, shop)
    gen = (await agent.head(c, "active"))["gen"]
    await agent.command({"t": "close", "c": c, "gen": gen})
    await visitor.event("closed")
    return visitor, c


async def test_who_comes_back_gets_the_agent_of_last_time_if_they_have_room(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=4))
    vera, c = await came_back(stage, shop, ana)
    busy, _ = await asks(stage, shop)
    await is_served_by(busy, "Ana")
    # Ben has nothing to do; she knows Ana.
    await stage.agent(await shop.hire("Ben", capacity=4))
    seen = len(vera.log)
    await vera.command({"t": "start"})
    joined = await vera.event("joined", after=seen)
    assert joined["data"]["agent"]["name"] == "Ana"
    line = [event for event in await ana.sync_all(c, "internal") if event["kind"] == "offered"][-1]
    assert line["data"]["why"]["reserved"]
    assert {"name": "Ben", "out": "reserved"}.items() <= line["data"]["why"]["agents"][1].items()


async def test_waiting_for_the_agent_of_last_time_costs_no_place(stage: Stage) -> None:
    shop = await stage.shop()
    ana_duty, ben_duty = await shop.hire("Ana", capacity=1), await shop.hire("Ben", capacity=1)
    ana = await stage.agent(ana_duty)
    vera, c = await came_back(stage, shop, ana)
    busy, _ = await asks(stage, shop)
    await is_served_by(busy, "Ana")
    await stage.sql("UPDATE team SET sticky_s = 3600 WHERE id = :team", team=shop.team_id)
    await vera.command({"t": "start"})
    vic, vics = await asks(stage, shop)
    ben = await stage.agent(ben_duty)
    await is_served_by(vic, "Ben")
    assert (await stage.sql("SELECT state FROM conversation WHERE id = :c", c=UUID(c)))[0][0] == "waiting"
    vin, _ = await asks(stage, shop)
    await stage.sql("UPDATE conversation SET reserved_until = now() WHERE id = :c", c=UUID(c))
    await stage.until_sql("SELECT reserved_for IS NULL FROM conversation WHERE id = :c", c=UUID(c))
    gen = (await ben.head(vics, "active"))["gen"]
    seen = len(vera.log)
    await ben.command({"t": "close", "c": vics, "gen": gen})
    joined = await vera.event("joined", after=seen)
    assert joined["data"]["agent"]["name"] == "Ben"
    assert not any(frame.get("kind") == "joined" for frame in vin.log)


async def test_an_agent_of_last_time_who_goes_away_is_not_waited_for(stage: Stage) -> None:
    shop = await a_shop(stage, sticky_s=3600)
    ana = await stage.agent(await shop.hire("Ana", capacity=1))
    vera, c = await came_back(stage, shop, ana)
    busy, _ = await asks(stage, shop)
    await is_served_by(busy, "Ana")
    seen = len(vera.log)
    await vera.command({"t": "start"})
    await stage.agent(await shop.hire("Ben"))
    assert (await stage.sql("SELECT reserved_for IS NULL FROM conversation WHERE id = :c", c=UUID(c)))[0][0] is False
    await ana.command({"t": "status", "accept": False})
    joined = await vera.event("joined", after=seen)
    assert joined["data"]["agent"]["name"] == "Ben"


# When it gets busy


async def test_who_waits_too_long_goes_on_waiting_for_another_team(stage: Stage) -> None:
    other = await stage.shop()
    shop = await a_shop(stage, overflow_team_id=other.team_id, overflow_after_s=60)
    fay = await stage.agent(await shop.hire("Fay", capacity=0))
    vera, c = await asks(stage, shop)
    await fay.head(c, "waiting")
    long_ago = datetime.now(UTC) - timedelta(seconds=61)
    await stage.sql(
        "UPDATE conversation SET queued_at = :then, changed_at = :then WHERE id = :c", then=long_ago, c=UUID(c)
    )
    # Nobody there takes chats: it stays where it is.
    await stage.sql("SELECT pg_sleep(1.5)")
    assert (await stage.sql("SELECT overflowed FROM conversation WHERE id = :c", c=UUID(c)))[0][0] is False
    ben = await stage.agent(await other.hire("Ben"))
    await is_served_by(vera, "Ben")
    kinds = [event["kind"] for event in await ben.sync_all(c, "internal")]
    assert kinds == ["overflowed", "offered"]
    gone = await fay.until(
        lambda f: f["t"] == "head" and f["head"]["c"] == c and f["head"]["team"]["id"] == str(other.team_id)
    )
    assert gone["head"]["state"] in ("waiting", "offered", "active")


async def test_a_full_line_takes_nobody_but_lets_them_go_elsewhere(stage: Stage) -> None:
    shop = await a_shop(stage, queue_limit=1)
    await stage.agent(await shop.hire("Fay", capacity=0))
    vin = await stage.visitor(shop)
    vera, c = await asks(stage, shop)
    await vin.until(lambda f: f["t"] == "available" and not f["available"])
    assert (await vin.refused({"t": "start"}))["code"] == "no_agents"
    left = {"t": "leave_message", "m": new_id(), "email": "vin@example.com", "body": {"text": "Call me?"}}
    await vin.command(left)
    other = await stage.shop()
    await stage.sql("UPDATE team SET overflow_team_id = :o WHERE id = :t", o=other.team_id, t=shop.team_id)
    await stage.agent(await other.hire("Ben"))
    vic, _ = await asks(stage, shop)
    await is_served_by(vic, "Ben")
    await vera.command({"t": "leave", "c": c})


async def test_a_console_that_is_reloaded_does_not_close_the_shop(stage: Stage) -> None:
    shop = await stage.shop()
    duty = await shop.hire("Ana")
    ana = await stage.agent(duty)
    vera = await stage.visitor(shop)
    assert vera.snapshot["available"]
    await ana.close()
    await stage.until_sql("SELECT count(*) = 0 FROM presence WHERE subject = :ana", ana=UUID(duty.id))
    await stage.agent(duty)
    _, c = await asks(stage, shop)
    assert c
    assert not any(frame["t"] == "available" for frame in vera.log)


async def overdue(stage: Stage, c: str) -> None:
    """Somebody has waited for an hour."""
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    await stage.sql(
        "UPDATE conversation SET queued_at = :then, changed_at = :then WHERE id = :c", then=long_ago, c=UUID(c)
    )


async def test_nobody_overflows_to_a_team_that_cannot_help_them(stage: Stage) -> None:
    third, second = await stage.shop(), await a_shop(stage)
    await stage.sql("UPDATE team SET overflow_team_id = :o WHERE id = :t", o=third.team_id, t=second.team_id)
    shop = await a_shop(stage, overflow_team_id=second.team_id, overflow_after_s=60)
    await site(stage, shop, skills=["fr"])
    await stage.agent(await shop.hire("Fay", capacity=0, skills=("fr",)))
    _, c = await asks(stage, shop)
    # The second team is staffed without French; the third, to which the second would overflow, has it.
    await stage.agent(await second.hire("Ben"))
    await stage.agent(await third.hire("Eve", skills=("fr",)))
    await overdue(stage, c)
    await stage.sql("SELECT pg_sleep(2.5)")
    row = (await stage.sql("SELECT state, team_id, overflowed FROM conversation WHERE id = :c", c=UUID(c)))[0]
    assert tuple(row) == ("waiting", shop.team_id, False)
    await stage.agent(await second.hire("Gil", skills=("fr",)))
    await stage.until_sql("SELECT state = 'active' FROM conversation WHERE id = :c", c=UUID(c))


async def test_visitors_hear_when_the_team_they_would_go_to_comes_and_goes(stage: Stage) -> None:
    other = await stage.shop()
    shop = await a_shop(stage, overflow_team_id=other.team_id)
    vera = await stage.visitor(shop)
    assert not vera.snapshot["available"]
    ben = await stage.agent(await other.hire("Ben"))
    await vera.until(lambda f: f["t"] == "available" and f["available"])
    seen = len(vera.log)
    await ben.command({"t": "status", "accept": False})
    await vera.until(lambda f: f["t"] == "available" and not f["available"], after=seen)


async def test_a_language_that_nobody_speaks_any_more_is_not_waited_for(stage: Stage) -> None:
    shop = await stage.shop()
    await site(stage, shop, by_language=True)
    await stage.agent(await shop.hire("Ana"))
    ben = await stage.agent(await shop.hire("Ben", skills=("de",), capacity=1))
    _, bens = await asks(stage, shop, language="de")
    await ben.head(bens, "active")
    vera, c = await asks(stage, shop, language="de-CH")
    assert (await stage.sql("SELECT skills FROM conversation WHERE id = :c", c=UUID(c)))[0][0] == ["de"]
    await ben.command({"t": "status", "accept": False})
    await is_served_by(vera, "Ana")


async def test_what_is_opened_again_asks_for_no_skill_of_last_time(stage: Stage) -> None:
    shop = await stage.shop()
    await site(stage, shop, skills=["vip"])
    duty = await shop.hire("Ana", skills=("vip",))
    ana = await stage.agent(duty)
    vera, c = await asks(stage, shop)
    gen = (await ana.head(c, "active"))["gen"]
    gen = (await ana.command({"t": "close", "c": c, "gen": gen}))["gen"]
    ben_duty = await shop.hire("Ben")
    ben = await stage.agent(ben_duty)
    await ben.command({"t": "reopen", "c": c, "gen": gen})
    await ana.command({"t": "status", "accept": False})
    await stage.agent(await shop.hire("Gil"))
    await ben.close()
    await stage.gone(ben_duty.id, 31)
    joined = await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Gil")
    assert joined["c"] == c


async def test_what_a_site_asks_for_now_counts_for_visitors_who_came_before(stage: Stage) -> None:
    shop = await stage.shop()
    await stage.agent(await shop.hire("Ana"))
    vera = await stage.visitor(shop)
    await vera.until(lambda f: f["t"] in ("snapshot", "available") and f["available"])
    await site(stage, shop, skills=["vip"])
    start = len(vera.log)
    await stage.agent(await shop.hire("Gil"))
    await vera.until(lambda f: f["t"] == "available" and not f["available"], after=start)
    start = len(vera.log)
    await stage.agent(await shop.hire("Ben", skills=("vip",)))
    await vera.until(lambda f: f["t"] == "available" and f["available"], after=start)
    await vera.command({"t": "start"})
    await is_served_by(vera, "Ben")
