"""A conversation is passed on: to an agent, who accepts, declines or says nothing; to a team, that takes it or not."""

from uuid import UUID

import pytest

from tests.journeys.desk_model import DeskModel
from tests.journeys.stage import Stage
from tests.journeys.wire_client import Frame, WireClient, new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


def lists_of(client: WireClient) -> dict[str, object]:
    """What an agent's console shows after all that it heard."""
    model = DeskModel()
    for frame in client.log:
        model.apply(frame)
    return model.lists()


async def named(client: WireClient, c: str, state: str, name: str) -> Frame:
    """Wait for a head in a state, with an agent of that name."""
    found = await client.until(
        lambda f: (
            f["t"] == "head"
            and f["head"]["c"] == c
            and f["head"]["state"] == state
            and (f["head"]["agent"] or {}).get("name") == name
        )
    )
    return found["head"]


async def test_an_agent_takes_what_a_colleague_passes_on(stage: Stage) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    ben_duty = await billing.hire("Ben")
    ben = await stage.agent(ben_duty, stage.one)
    ben.auto_accept = False
    c, gen = await stage.chat(vera, ana)
    await vera.say(c, "I was charged twice.")
    passed: Frame = {"t": "transfer", "c": c, "gen": gen, "agent": ben_duty.id, "note": "Twice for order 7."}
    gen = (await ana.command(passed))["gen"]
    offer = await ben.until(lambda f: f["t"] == "offer")
    assert (offer["c"], offer["gen"], offer["mode"], offer["ttl_ms"]) == (c, gen, "offer", 20_000)
    told = offer["head"]["passed"]
    assert (told["by"]["name"], told["note"]) == ("Ana", "Twice for order 7.")
    # Whoever reloads the console sees it, with the time that is left.
    (standing,) = (await stage.agent(ben_duty)).snapshot["offers"]
    assert (standing["c"], standing["gen"], standing["mode"]) == (c, gen, "offer")
    assert 0 < standing["ttl_ms"] <= 20_000
    await ben.command({"t": "offer.accept", "c": c, "gen": gen})
    joined = await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
    told = await vera.event("passed")
    assert told["s"] < joined["s"]
    assert told["data"]["agent"]["name"] == "Ana"
    assert told["data"]["to"] == {"agent": {"id": ben_duty.id, "name": "Ben"}}
    await ben.say(c, "Let me look.")
    await vera.until(lambda f: f.get("data") == {"text": "Let me look."})
    assert (await ana.refused({"t": "send", "c": c, "m": c, "body": {"text": "And?"}}))["code"] == "not_yours"
    lane = await ben.sync_all(c, "internal")
    assert [e["kind"] for e in lane] == ["offered", "note", "offered"]
    assert lane[1]["data"] == {"text": "Twice for order 7."}
    assert (await named(ben, c, "active", "Ben"))["passed"] is None
    assert not any(frame.get("lane") == "internal" for frame in vera.log)
    loads = await stage.sql(
        "SELECT a.name, a.load FROM agent a JOIN team_member m ON m.agent_id = a.id WHERE m.team_id = ANY (:teams)",
        teams=[shop.team_id, billing.team_id],
    )
    assert dict(map(tuple, loads)) == {"Ana": 0, "Ben": 1}


@pytest.mark.parametrize("how", ["declined", "expired"])
async def test_what_a_colleague_does_not_take_comes_back(stage: Stage, how: str) -> None:
    shop = await stage.shop()
    ana_duty, ben_duty = await shop.hire("Ana"), await shop.hire("Ben")
    ana, vera = await stage.agent(ana_duty), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    ben = await stage.agent(ben_duty, stage.one)
    ben.auto_accept = False
    gen = (await ana.command({"t": "transfer", "c": c, "gen": gen, "agent": ben_duty.id}))["gen"]
    await ben.until(lambda f: f["t"] == "offer")
    if how == "declined":
        await ben.command({"t": "offer.decline", "c": c, "gen": gen})
    else:
        await stage.sql("UPDATE conversation SET offer_expires_at = now() WHERE id = :c", c=c)
    gone = await ben.until(lambda f: f["t"] == "offer.gone")
    assert gone["reason"] == how
    back = await vera.until(lambda f: f.get("kind") == "joined" and f["s"] > 3 and f["data"]["agent"]["name"] == "Ana")
    assert back["from"]["name"] == "Ana"
    await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active" and f["head"]["gen"] > gen)
    await ana.say(c, "Here I am again.")
    await vera.until(lambda f: f.get("data") == {"text": "Here I am again."})
    fresh = await stage.agent(ben_duty)
    assert fresh.snapshot["me"]["accept"], "being asked by a colleague is no reason to be set away"
    assert lists_of(ben)["waiting"] == []


async def test_when_the_sender_has_gone_meanwhile_it_waits_at_its_old_place(stage: Stage) -> None:
    shop = await stage.shop()
    ana_duty, ben_duty = await shop.hire("Ana", capacity=1), await shop.hire("Ben", capacity=1)
    ana, vera = await stage.agent(ana_duty), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    ben = await stage.agent(ben_duty, stage.one)
    ben.auto_accept = False
    gen = (await ana.command({"t": "transfer", "c": c, "gen": gen, "agent": ben_duty.id}))["gen"]
    ana.cut()
    await stage.until_sql("SELECT count(*) = 0 FROM presence WHERE subject = CAST(:who AS uuid)", who=ana_duty.id)
    await ben.command({"t": "status", "accept": False})
    await ben.command({"t": "offer.decline", "c": c, "gen": gen})
    await stage.until_sql("SELECT state = 'waiting' AND passed_by IS NULL FROM conversation WHERE id = :c", c=c)
    # He has just let it go: the queue does not ask him about it for a minute, as about anything that he declined.
    (row,) = await stage.sql("SELECT declined, declined_until > now() FROM conversation WHERE id = :c", c=c)
    assert tuple(row) == ([UUID(ben_duty.id)], True)
    ben.auto_accept = True
    await ben.command({"t": "status", "accept": True})
    await stage.sql("UPDATE conversation SET declined_until = now() WHERE id = :c", c=c)
    await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")


async def test_who_declines_just_before_it_would_go_back_keeps_their_minute(stage: Stage) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana_duty, ben_duty = await shop.hire("Ana"), await billing.hire("Ben")
    ana, vera = await stage.agent(ana_duty), await stage.visitor(shop)
    ben = await stage.agent(ben_duty, stage.one)
    ben.auto_accept = False
    c, gen = await stage.chat(vera, ana)
    await ana.command({"t": "transfer", "c": c, "gen": gen, "team": str(billing.team_id)})
    offer = await ben.until(lambda f: f["t"] == "offer")
    ana.cut()
    await stage.until_sql("SELECT count(*) = 0 FROM presence WHERE subject = CAST(:who AS uuid)", who=ana_duty.id)
    soon = (
        "UPDATE conversation SET returns_at = now() + interval '1 second', declined_until = now() + interval '1 second'"
    )
    await stage.sql(f"{soon} WHERE id = :c", c=c)
    await ben.command({"t": "offer.decline", "c": c, "gen": offer["gen"]})
    await stage.until_sql("SELECT state = 'waiting' AND passed_by IS NULL FROM conversation WHERE id = :c", c=c)
    # Ana has gone, so it stays in line, for her too should she be of that team; not for Ben, who has just let it go.
    left = "extract(epoch FROM declined_until - now()) BETWEEN 40 AND 60"
    (row,) = await stage.sql(f"SELECT state, declined, {left} FROM conversation WHERE id = :c", c=c)
    assert tuple(row) == ("waiting", [UUID(ben_duty.id)], True)
    await stage.sql("UPDATE conversation SET declined_until = now() WHERE id = :c", c=c)
    await ben.until(lambda f: f["t"] == "offer" and f["c"] == c and f["gen"] > offer["gen"])


async def test_what_was_said_before_it_was_passed_on_keeps_its_answer(stage: Stage) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana_duty = await shop.hire("Ana")
    ana, vera = await stage.agent(ana_duty), await stage.visitor(shop)
    await stage.agent(await billing.hire("Ben"))
    c, gen = await stage.chat(vera, ana)
    said: Frame = {"t": "send", "c": c, "m": new_id(), "body": {"text": "Somebody else knows more."}}
    first = await ana.command(said)
    await ana.command({"t": "transfer", "c": c, "gen": gen, "team": str(billing.team_id)})
    await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
    # The answer did not reach her: she says it again when she is back.
    back = await stage.agent(ana_duty, stage.one)
    again = await back.command(said)
    assert (again["s"], again["dup"]) == (first["s"], True)
    assert (await back.refused({**said, "m": new_id()}))["code"] == "not_found"


async def test_a_team_takes_it_at_the_place_of_its_score(stage: Stage) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    ben_duty = await billing.hire("Ben", capacity=0)
    ben, vic = await stage.agent(ben_duty, stage.one), await stage.visitor(billing)
    await vic.command({"t": "start"})
    await ana.command({"t": "transfer", "c": c, "gen": gen, "team": str(billing.team_id), "note": "About money."})
    # She came before Vic, and is told her place in the other team's line.
    await vera.until(lambda f: f["t"] == "queue" and f["position"] == 1)
    await vic.until(lambda f: f["t"] == "queue" and f["position"] == 2)
    await ben.head(c, "waiting")
    await stage.sql("UPDATE agent SET capacity = 1, rev = rev + 1 WHERE id = CAST(:who AS uuid)", who=ben_duty.id)
    await ben.command({"t": "status", "accept": True})
    await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
    await vera.command({"t": "end", "c": c})
    # The next time she asks, her site's own team answers.
    await vera.command({"t": "start"})
    await named(ana, c, "active", "Ana")


async def test_what_a_team_does_not_take_in_time_comes_back(stage: Stage) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    ben = await stage.agent(await billing.hire("Ben", capacity=0), stage.one)
    await ana.command({"t": "transfer", "c": c, "gen": gen, "team": str(billing.team_id)})
    await ben.head(c, "waiting")
    await stage.sql("UPDATE conversation SET returns_at = now() WHERE id = :c", c=c)
    await named(ben, c, "active", "Ana")
    await vera.until(lambda f: f.get("kind") == "joined" and f["s"] > 3)
    await ana.say(c, "They are busy; I will help you.")
    await vera.until(lambda f: f.get("data") == {"text": "They are busy; I will help you."})
    assert lists_of(ben)["waiting"] == []
    assert await stage.sql("SELECT 1 FROM conversation WHERE id = :c AND team_id = :t", c=c, t=shop.team_id)


async def test_what_cannot_be_is_refused_and_changes_nothing(stage: Stage) -> None:
    shop, billing = await stage.shop(), await stage.shop()
    ana_duty, ben_duty, full_duty = (
        await shop.hire("Ana"),
        await shop.hire("Ben"),
        await billing.hire("Fay", capacity=0),
    )
    ana, vera = await stage.agent(ana_duty), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    await stage.agent(full_duty)
    closed = await stage.shop()
    for to, code in (
        ({"agent": ana_duty.id}, "invalid"),
        ({}, "invalid"),
        ({"agent": ben_duty.id, "team": str(billing.team_id)}, "invalid"),
        ({"agent": c}, "not_found"),
        ({"team": c}, "not_found"),
        ({"agent": ben_duty.id}, "no_agents"),
        ({"team": str(closed.team_id)}, "no_agents"),
        ({"agent": full_duty.id}, "at_capacity"),
        ({"agent": full_duty.id, "note": "x" * 5001}, "too_large"),
    ):
        refused = await ana.refused({"t": "transfer", "c": c, "gen": gen, **to})
        assert refused["code"] == code, to
    assert (await ana.refused({"t": "transfer", "c": c, "gen": gen - 1, "agent": full_duty.id}))["code"] == "stale"
    ben = await stage.agent(ben_duty)
    theft: Frame = {"t": "transfer", "c": c, "gen": gen, "agent": full_duty.id}
    assert (await ben.refused(theft))["code"] == "not_yours"
    assert (await vera.refused(theft))["code"] == "forbidden"
    await ana.say(c, "Still with me.")
    await vera.until(lambda f: f.get("data") == {"text": "Still with me."})
    assert not [e for e in await ana.sync_all(c) if e["kind"] == "passed"]


async def test_what_comes_back_goes_on_where_the_agent_stood(stage: Stage) -> None:
    shop = await stage.shop()
    ana_duty, ben_duty = await shop.hire("Ana"), await shop.hire("Ben")
    ana, vera = await stage.agent(ana_duty), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    ben = await stage.agent(ben_duty, stage.one)
    ben.auto_accept = False
    for number in range(3):
        gen = (await ana.command({"t": "transfer", "c": c, "gen": gen, "agent": ben_duty.id}))["gen"]
        await ben.until(lambda f, gen=gen: f["t"] == "offer" and f["gen"] == gen)
        # Said while nobody has her: Ana must not miss it.
        await vera.say(c, f"Hello? {number}")
        await ben.command({"t": "offer.decline", "c": c, "gen": gen})
        head = await ana.until(
            lambda f, gen=gen: f["t"] == "head" and f["head"]["state"] == "active" and f["head"]["gen"] > gen
        )
        gen = head["head"]["gen"]
        await ana.until(lambda f, number=number: f.get("data") == {"text": f"Hello? {number}"})
    numbers = [e["s"] for e in ana.events[c, "public"]]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


async def test_passed_to_their_own_team_it_goes_to_somebody_else(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana", capacity=1)), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    passed: Frame = {"t": "transfer", "c": c, "gen": gen, "team": str(shop.team_id), "note": "I must leave."}
    assert (await ana.refused(passed))["code"] == "no_agents", "nobody but her is there"
    ben_duty = await shop.hire("Ben", capacity=1)
    ben = await stage.agent(ben_duty)
    vic = await stage.visitor(shop)
    vics = (await vic.command({"t": "start"}))["c"]
    head = await ben.head(vics, "active")
    await ana.command(passed)
    # Her slot is free now, and she came first in line: it is not for her.
    await vera.until(lambda f: f["t"] == "queue" and f["position"] == 1)
    vin = await stage.visitor(shop)
    await vin.command({"t": "start"})
    await vin.event("joined")
    assert sum(frame["t"] == "offer" and frame["c"] == c for frame in ana.log) == 1
    await ben.command({"t": "close", "c": vics, "gen": head["gen"]})
    await named(ben, c, "active", "Ben")
