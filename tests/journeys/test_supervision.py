"""Supervisors take chats over and say who gets one; visitors who have waited for long may leave a message instead."""

from uuid import UUID

import pytest

from tests.journeys.cast import Shop
from tests.journeys.stage import Stage
from tests.journeys.wire_client import Frame, WireClient, new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def loads(stage: Stage, shop: Shop) -> dict[str, int]:
    rows = await stage.sql(
        "SELECT a.name, a.load FROM agent a JOIN team_member m ON m.agent_id = a.id WHERE m.team_id = :t",
        t=shop.team_id,
    )
    return dict(map(tuple, rows))


async def waits(stage: Stage, shop: Shop) -> tuple[WireClient, str]:
    """Somebody in line, for whom nobody has room."""
    vera = await stage.visitor(shop)
    return vera, (await vera.command({"t": "start"}))["c"]


async def test_a_supervisor_takes_a_chat_over(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    await vera.say(c, "Nobody understands me.")
    mei = await stage.agent(await shop.hire("Mei", role="supervisor"), stage.one)
    (shown,) = [head for head in mei.snapshot["heads"] if head["c"] == c]
    assert (shown["state"], shown["agent"]["name"], shown["skills"]) == ("active", "Ana", [])
    taken = await mei.command({"t": "takeover", "c": c, "gen": gen})
    assert taken["gen"] == gen + 1
    # The same again changes nothing: its answer may have been lost.
    assert (await mei.command({"t": "takeover", "c": c, "gen": gen}))["gen"] == gen + 1
    await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Mei")
    await mei.say(c, "Tell me.")
    await vera.until(lambda f: f.get("data") == {"text": "Tell me."})
    lost = await ana.until(lambda f: f["t"] == "head" and f["head"]["gen"] == gen + 1)
    assert lost["head"]["agent"]["name"] == "Mei"
    told = await ana.event("taken_over")
    assert (told["data"]["agent"]["name"], told["data"]["from"]["name"]) == ("Mei", "Ana")
    assert (await ana.refused({"t": "send", "c": c, "m": c, "body": {"text": "But"}}))["code"] == "not_yours"
    assert (await ana.refused({"t": "close", "c": c, "gen": gen}))["code"] == "not_yours"
    assert await loads(stage, shop) == {"Ana": 0, "Mei": 1}
    stints = await stage.sql(
        "SELECT a.name, s.end_reason FROM stint s JOIN agent a ON a.id = s.agent_id "
        "JOIN episode e ON e.id = s.episode_id WHERE e.conversation_id = :c ORDER BY s.started_at",
        c=UUID(c),
    )
    assert list(map(tuple, stints)) == [("Ana", "takeover"), ("Mei", None)]
    await mei.command({"t": "close", "c": c, "gen": gen + 1})


async def test_taking_over_is_fenced_and_for_supervisors(stage: Stage) -> None:
    shop, other = await stage.shop(), await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    ben = await stage.agent(await shop.hire("Ben", capacity=0))
    mei = await stage.agent(await shop.hire("Mei", role="supervisor", capacity=0))
    ann = await stage.agent(await shop.hire("Ann", role="admin"))
    stranger = await stage.agent(await other.hire("Sue", role="owner"))
    over: Frame = {"t": "takeover", "c": c, "gen": gen}
    for who, code in ((ana, "forbidden"), (ben, "forbidden"), (vera, "forbidden"), (mei, "at_capacity")):
        assert (await who.refused(over))["code"] == code
    assert (await stranger.refused(over))["code"] == "not_found"
    assert (await ann.refused({**over, "gen": gen - 1}))["code"] == "stale"
    assert await loads(stage, shop) == {"Ana": 1, "Ben": 0, "Mei": 0, "Ann": 0}
    gen = (await ann.command(over))["gen"]
    assert (await ann.refused({**over, "gen": gen}))["code"] == "invalid"
    await ann.command({"t": "close", "c": c, "gen": gen})
    assert (await ann.refused({**over, "gen": gen + 1}))["code"] == "conversation_closed"
    assert await loads(stage, shop) == {"Ana": 0, "Ben": 0, "Mei": 0, "Ann": 0}


async def test_a_supervisor_says_who_gets_a_waiting_chat(stage: Stage) -> None:
    shop = await stage.shop()
    await stage.sql("UPDATE team SET strategy = 'manual' WHERE id = :t", t=shop.team_id)
    ana_duty, fay_duty = await shop.hire("Ana"), await shop.hire("Fay", capacity=0)
    away_duty = await shop.hire("Abe")
    ana, fay = await stage.agent(ana_duty), await stage.agent(fay_duty)
    mei = await stage.agent(await shop.hire("Mei", role="supervisor"), stage.one)
    vera, c = await waits(stage, shop)
    gen = (await mei.head(c, "waiting"))["gen"]
    to: Frame = {"t": "assign", "c": c, "gen": gen, "agent": ana_duty.id}
    for who, change, code in (
        (fay, {}, "forbidden"),
        (vera, {}, "forbidden"),
        (mei, {"gen": gen - 1}, "stale"),
        (mei, {"agent": fay_duty.id}, "at_capacity"),
        (mei, {"agent": away_duty.id}, "no_agents"),
        (mei, {"agent": c}, "not_found"),
    ):
        assert (await who.refused({**to, **change}))["code"] == code, change
    await mei.command(to)
    await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ana")
    (line,) = [event for event in await ana.sync_all(c, "internal") if event["kind"] == "offered"]
    assert (line["data"]["by"]["name"], line["data"].get("why")) == ("Mei", None)
    assert (await mei.refused(to))["code"] == "stale"
    # Somebody whose client says nothing: back in line, at the old place.
    ana.auto_accept = False
    vic, vics = await waits(stage, shop)
    gen = (await mei.head(vics, "waiting"))["gen"]
    await mei.command({"t": "assign", "c": vics, "gen": gen, "agent": ana_duty.id})
    await ana.until(lambda f: f["t"] == "offer" and f["c"] == vics and f["mode"] == "direct")
    await stage.sql("UPDATE conversation SET offer_expires_at = now() WHERE id = :c", c=UUID(vics))
    await mei.until(lambda f: f["t"] == "head" and f["head"]["c"] == vics and f["head"]["gen"] == gen + 2)
    assert (await loads(stage, shop))["Ana"] == 1
    await vic.command({"t": "leave", "c": vics})


async def test_a_message_is_left_instead_of_waiting(stage: Stage) -> None:
    shop = await stage.shop()
    await stage.sql("UPDATE team SET choice_after_s = 60 WHERE id = :t", t=shop.team_id)
    fay = await stage.agent(await shop.hire("Fay", capacity=0))
    vera, c = await waits(stage, shop)
    await vera.say(c, "My lamp is broken.")
    assert not any(frame.get("choice") for frame in vera.log)
    await stage.sql("UPDATE conversation SET queued_at = now() - interval '61 seconds' WHERE id = :c", c=UUID(c))
    asked = await vera.until(lambda f: f["t"] == "queue" and f.get("choice"))
    assert (asked["c"], asked["position"]) == (c, 1)
    m = new_id()
    left: Frame = {
        "t": "leave_message", "m": m, "name": "Vera", "email": "vera@example.com", "phone": "+49 30 123-456",
        "instead": 1, "body": {"text": "Please call me."},
    }  # fmt: skip
    for phone in ("call me", "+", "<b>1234</b>", "12"):
        refused = await vera.refused({**left, "phone": phone})
        assert (refused["code"], refused["field"]) == ("invalid", "phone")
    assert (await vera.refused({**left, "email": ""}))["field"] == "email"
    done = await vera.command(left)
    assert await vera.command(left) == {**done, "dup": True, "id": done["id"] + 1}
    head = await fay.until(lambda f: f["t"] == "head" and f["head"]["c"] == c and f["head"]["left_message"])
    assert head["head"]["state"] == "closed"
    kinds = [event["kind"] for event in await vera.sync_all(c)]
    assert kinds == ["queued", "message", "message", "closed", "left_message"]
    (line,) = [event for event in vera.events[c, "public"] if event["kind"] == "left_message"]
    assert line["data"] == {"name": "Vera", "email": "vera@example.com", "phone": "+49 30 123-456"}
    rows = await stage.sql(
        "SELECT e.outcome, c.left_message, e.closed_at > e.queued_at FROM episode e "
        "JOIN conversation c ON c.id = e.conversation_id WHERE c.id = :c",
        c=UUID(c),
    )
    assert list(map(tuple, rows)) == [("offline", True, True)]
    assert (await vera.command({"t": "start"}))["dup"] is False


async def test_a_message_for_a_wait_that_is_over_takes_nobody_out_of_line(stage: Stage) -> None:
    shop = await stage.shop()
    ana_duty = await shop.hire("Ana", capacity=1)
    ana, fay = await stage.agent(ana_duty), await stage.agent(await shop.hire("Fay", capacity=0))
    vera = await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    late: Frame = {"t": "leave_message", "email": "vera@example.com", "body": {"text": "Then by mail."}, "instead": 1}
    # Somebody has her by now: it is a message like any other.
    await vera.command({**late, "m": new_id()})
    await ana.until(lambda f: f.get("data") == {"text": "Then by mail."})
    await ana.command({"t": "close", "c": c, "gen": gen})
    busy = await stage.visitor(shop)
    await stage.chat(busy, ana)
    await vera.command({"t": "start"})
    await fay.head(c, "waiting")
    # It was meant for the episode before.
    await vera.command({**late, "m": new_id()})
    rows = await stage.sql("SELECT state, left_message FROM conversation WHERE id = :c", c=UUID(c))
    assert tuple(rows[0]) == ("waiting", False)


async def test_a_full_line_is_told_from_a_closed_one(stage: Stage) -> None:
    shop = await stage.shop()
    await stage.sql("UPDATE team SET queue_limit = 1 WHERE id = :t", t=shop.team_id)
    vin = await stage.visitor(shop)
    assert (vin.snapshot["available"], vin.snapshot["full"]) == (False, False)
    await stage.agent(await shop.hire("Fay", capacity=0))
    await vin.until(lambda f: f["t"] == "available" and f["available"] and not f["full"])
    vera, c = await waits(stage, shop)
    await vin.until(lambda f: f["t"] == "available" and not f["available"] and f["full"])
    await vera.command({"t": "leave", "c": c})
    seen = len(vin.log) - 1
    await vin.until(lambda f: f["t"] == "available" and f["available"], after=max(0, seen - 1))
