"""The queue when people vanish, processes die and Redis forgets: nobody loses their place, nobody has two agents."""

from __future__ import annotations

import asyncio
import signal
import time
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from app.infra.redis import connect
from tests.journeys.cast import AgentOnDuty, Shop
from tests.journeys.house import House
from tests.journeys.stage import Stage
from tests.journeys.wire_client import Frame, WireClient, new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(house: House) -> Stage:
    return house.stage


async def a_full_house(stage: Stage, shop: Shop) -> None:
    """Somebody is there and takes chats, but has no room: whoever comes waits."""
    await stage.agent(await shop.hire("Fay", capacity=0))


async def in_line(stage: Stage, shop: Shop, *names: str) -> list[tuple[WireClient, str]]:
    """Visitors who wait, in this order, by turns on both processes."""
    line = []
    for number, name in enumerate(names):
        client = await stage.visitor(shop, (stage.one, stage.two)[number % 2])
        c = (await client.command({"t": "start", "name": name}))["c"]
        await position(client, number + 1)
        line.append((client, c))
    return line


async def position(client: WireClient, place: int, within_s: float = 10) -> None:
    """Wait until a visitor was told this place, and nothing else after it."""

    def told() -> int | None:
        places: list[int | None] = [client.snapshot["conversation"] and client.snapshot["conversation"]["position"]]
        for frame in client.log:
            if frame["t"] == "queue":
                places.append(frame["position"])
            elif frame["t"] == "ok" and "conversation" in frame:
                places.append(frame["conversation"]["position"])
        return next((each for each in reversed(places) if each is not None), None)

    if told() != place:
        await client.until(lambda _: told() == place, within_s=within_s)


async def served(agent: WireClient, count: int) -> list[str]:
    """Return the conversations in the order in which an agent, who takes one at a time, gets them."""
    order: list[str] = []
    for _ in range(count):
        frame = await agent.until(
            lambda f: f["t"] == "head" and f["head"]["state"] == "active" and f["head"]["c"] not in order, within_s=15
        )
        order.append(frame["head"]["c"])
        await agent.command({"t": "close", "c": order[-1], "gen": frame["head"]["gen"]})
    return order


def offers(agent: WireClient) -> set[str]:
    return {frame["c"] for frame in agent.log if frame["t"] == "offer"}


# In good health


async def test_three_in_line_hear_of_every_step(stage: Stage) -> None:
    shop = await stage.shop()
    await a_full_house(stage, shop)
    (vera, _), (vic, vics), (vin, _) = line = await in_line(stage, shop, "Vera", "Vic", "Vin")
    await vic.command({"t": "leave", "c": vics})
    await position(vin, 2)
    ana = await stage.agent(await shop.hire("Ana", capacity=1))
    await vera.event("joined")
    await position(vin, 1)
    assert offers(ana) == {line[0][1]}
    places = [frame["position"] for frame in vin.log if frame["t"] == "queue"]
    assert places == sorted(places, reverse=True), "nobody ever falls back"


async def test_of_two_agents_who_claim_the_same_visitor_one_gets_them(stage: Stage) -> None:
    shop = await stage.shop()
    await a_full_house(stage, shop)
    ana = await stage.agent(await shop.hire("Ana", capacity=3), stage.one)
    ben = await stage.agent(await shop.hire("Ben", capacity=3), stage.two)
    for agent in (ana, ben):
        await agent.command({"t": "status", "accept": False})
    for client, c in await in_line(stage, shop, "Vera", "Vic", "Vin"):
        heads = [await agent.head(c, "waiting") for agent in (ana, ben)]
        claim = {"t": "claim", "c": c, "gen": heads[0]["gen"]}
        answers = await asyncio.gather(ana.post(claim), ben.post(claim))
        assert sorted(answer.get("code", "ok") for answer in answers) == ["ok", "stale"]
        winner = (ana, ben)[[answer["t"] for answer in answers].index("ok")]
        joined = await client.event("joined")
        assert joined["data"]["agent"]["id"] == winner.snapshot["me"]["id"]
        assert [e["kind"] for e in await client.sync_all(c)] == ["queued", "joined"]
    loads = await stage.sql(
        "SELECT sum(load) FROM agent WHERE name IN ('Ana', 'Ben') AND id = ANY (:ids)", ids=ids_of(ana, ben)
    )
    assert loads[0][0] == 3


def ids_of(*agents: WireClient) -> list[UUID]:
    return [UUID(agent.snapshot["me"]["id"]) for agent in agents]


async def test_no_agent_ever_has_more_than_they_can_take(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=3), stage.one)
    ben = await stage.agent(await shop.hire("Ben", capacity=2), stage.two)
    overfull = """
        SELECT a.name FROM agent a JOIN conversation c ON c.agent_id = a.id
        GROUP BY a.id HAVING count(*) > a.capacity OR count(*) <> a.load OR a.load > a.capacity
    """
    visitors = [await stage.visitor(shop, (stage.one, stage.two)[n % 2]) for n in range(12)]
    rush = asyncio.gather(*(visitor.command({"t": "start"}) for visitor in visitors))
    while not rush.done():
        assert await stage.sql(overfull) == []
    begun = {answer["c"] for answer in await rush}
    done: set[str] = set()
    while len(done) < 12:
        assert await stage.sql(overfull) == []
        for agent in (ana, ben):
            for head in [f["head"] for f in list(agent.log) if f["t"] == "head"]:
                own = head["state"] == "active" and head["agent"]["id"] == agent.snapshot["me"]["id"]
                if own and head["c"] not in done:
                    await agent.command({"t": "close", "c": head["c"], "gen": head["gen"]})
                    done.add(head["c"])
    assert done == begun
    assert [
        row.load for row in await stage.sql("SELECT load FROM agent WHERE id = ANY (:ids)", ids=ids_of(ana, ben))
    ] == [0, 0]


# People vanish


async def test_an_offer_that_nobody_confirms_goes_to_somebody_else_at_the_old_place(stage: Stage) -> None:
    shop = await stage.shop()
    silent = await shop.hire("Ana", capacity=1)
    ana = await stage.agent(silent)
    ana.auto_accept = False
    vera, vic = await stage.visitor(shop), await stage.visitor(shop, stage.two)
    began = time.monotonic()
    c = (await vera.command({"t": "start"}))["c"]
    offer = await ana.until(lambda f: f["t"] == "offer")
    assert (offer["c"], offer["mode"], offer["ttl_ms"]) == (c, "direct", 5000)
    await vic.command({"t": "start"})
    gone = await ana.until(lambda f: f["t"] == "offer.gone")
    assert (gone["c"], gone["gen"], gone["reason"]) == (c, offer["gen"], "expired")
    assert time.monotonic() - began > 4.5, "the agent has five seconds"
    me = await ana.until(lambda f: f["t"] == "me" and f["me"]["note"] == "unresponsive")
    assert (me["me"]["accept"], me["me"]["load"]) == (False, 0)
    assert (await ana.refused({"t": "offer.accept", "c": c, "gen": offer["gen"]}))["code"] == "stale"
    # Vic came later: he stays behind Vera.
    await position(vic, 2)
    ben = await stage.agent(await shop.hire("Ben", capacity=1))
    assert (await vera.event("joined"))["data"]["agent"]["name"] == "Ben"
    await position(vic, 1)
    assert [e["kind"] for e in await ben.sync_all(c, "internal")] == ["offered", "missed", "offered"]
    # Ana says that she is there again, and gets the next one.
    ana.auto_accept = True
    await ana.command({"t": "status", "accept": True})
    assert (await vic.event("joined"))["data"]["agent"]["name"] == "Ana"
    assert (await ana.until(lambda f: f["t"] == "me" and f["me"]["load"] == 1))["me"]["note"] is None


async def test_an_offer_that_was_never_told_is_told_when_its_head_is_seen(stage: Stage) -> None:
    shop = await stage.shop()
    ana_duty = await shop.hire("Ana", capacity=1)
    ana, vera = await stage.agent(ana_duty), await stage.visitor(shop)
    await ana.command({"t": "status", "accept": False})
    fay = await stage.agent(await shop.hire("Fay", capacity=0))
    c = (await vera.command({"t": "start"}))["c"]
    await ana.head(c, "waiting")
    # As if the process that offered it died after its commit: nobody tells anybody.
    await stage.sql(
        "WITH taken AS (UPDATE agent SET load = 1, rev = rev + 1 WHERE id = CAST(:ana AS uuid)) "
        "UPDATE conversation SET state = 'offered', agent_id = CAST(:ana AS uuid), gen = gen + 1, changed_at = now(), "
        "offer_expires_at = now() + interval '1 minute' WHERE id = :c",
        ana=ana_duty.id,
        c=UUID(c),
    )
    offer = await ana.until(lambda f: f["t"] == "offer")
    assert (offer["c"], offer["mode"], offer["head"]["state"]) == (c, "direct", "offered")
    assert (await vera.event("joined"))["data"]["agent"]["name"] == "Ana"
    assert not [frame for frame in fay.log if frame["t"] == "offer"]


async def test_an_offer_that_is_declined_goes_to_somebody_else(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=1))
    ana.auto_accept = False
    ben, vera = await stage.agent(await shop.hire("Ben"), stage.one), await stage.visitor(shop)
    await ben.command({"t": "status", "accept": False})
    c = (await vera.command({"t": "start"}))["c"]
    offer = await ana.until(lambda f: f["t"] == "offer")
    await ana.command({"t": "status", "accept": False})
    await ben.command({"t": "status", "accept": True})
    assert (await ben.refused({"t": "offer.decline", "c": c, "gen": offer["gen"]}))["code"] == "stale", "it is not his"
    await ana.command({"t": "offer.decline", "c": c, "gen": offer["gen"]})
    assert (await ana.until(lambda f: f["t"] == "offer.gone"))["reason"] == "declined"
    assert (await vera.event("joined"))["data"]["agent"]["name"] == "Ben"


async def test_when_the_agent_is_gone_the_visitor_is_served_by_another_at_the_old_place(stage: Stage) -> None:
    shop = await stage.shop()
    duty: AgentOnDuty = await shop.hire("Ana", capacity=1)
    ana, vera = await stage.agent(duty), await stage.visitor(shop)
    c, _ = await stage.chat(vera, ana)
    await vera.say(c, "Where is my teapot?")
    vic = await stage.visitor(shop, stage.two)
    await vic.command({"t": "start"})
    await position(vic, 1)

    # A short absence changes nothing: the same agent goes on.
    ana.cut()
    await stage.gone(duty.id, for_s=20)
    await asyncio.sleep(2.5)
    ana = await stage.agent(duty, pos=ana.pos())
    await ana.say(c, "I am back.")
    assert not [frame for frame in vera.log if frame.get("kind") == "requeued"]

    ana.cut()
    await stage.gone(duty.id, for_s=31)
    requeued = await vera.event("requeued")
    assert requeued["data"] == {"reason": "agent_gone"}
    await position(vera, 1)
    await position(vic, 2)
    ben = await stage.agent(await shop.hire("Ben", capacity=1), stage.one)
    joined = await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
    assert joined["s"] > requeued["s"]
    await position(vic, 1)
    assert [e["data"]["text"] for e in await ben.sync_all(c) if e["kind"] == "message"] == [
        "Where is my teapot?",
        "I am back.",
    ]
    # Whoever comes back late finds the chat in other hands.
    ana = await stage.agent(duty)
    assert [head for head in ana.snapshot["heads"] if head["state"] == "active"] == []
    assert ana.snapshot["me"]["load"] <= 1


async def test_a_visitor_who_left_gives_the_place_free_and_one_who_is_back_in_time_keeps_it(stage: Stage) -> None:
    shop = await stage.shop()
    await a_full_house(stage, shop)
    fay = await stage.agent(await shop.hire("Fay", capacity=0), stage.one)
    (vera, c), (vic, vics) = await in_line(stage, shop, "Vera", "Vic")
    vera_id, vic_id = (client.snapshot["visitor"]["id"] for client in (vera, vic))

    vic.cut()
    await stage.gone(vic_id, for_s=50)
    await asyncio.sleep(2.5)
    vic = await stage.again(vic, shop, stage.one)
    await position(vic, 2)

    vera.cut()
    await stage.gone(vera_id, for_s=61)
    await position(vic, 1)
    head = await fay.head(c, "closed")
    assert head["online"] is False
    again = await stage.again(vera, shop, stage.two, pos=vera.pos())
    assert again.snapshot["conversation"]["state"] == "closed"
    closed = await again.event("closed")
    assert closed["data"] == {"by": "system", "reason": "abandoned", "agent": None}
    assert (await again.command({"t": "start"}))["conversation"]["position"] in (2, None), "at the end of the line"
    await position(again, 2)
    assert vics != c


# Processes die


async def test_a_killed_server_gives_its_agents_visitors_back_to_the_line(house: House, stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana", capacity=1), stage.two), await stage.visitor(shop, stage.one)
    c, _ = await stage.chat(vera, ana)
    vic = await stage.visitor(shop, stage.one)
    await vic.command({"t": "start"})
    await position(vic, 1)
    dead = await stage.sql("SELECT gateway_id FROM presence WHERE subject = :ana", ana=ids_of(ana)[0])
    await stage.two.kill()
    await ana.closed()
    # Its lease runs out: 41 seconds ago it was last heard of.
    await stage.sql("UPDATE gateway SET seen_at = now() - interval '41 seconds' WHERE id = :id", id=dead[0].gateway_id)
    await vera.event("requeued")
    assert await stage.sql("SELECT 1 FROM gateway WHERE id = :id", id=dead[0].gateway_id) == []
    await position(vera, 1)
    await position(vic, 2)
    await stage.agent(await shop.hire("Ben", capacity=1), stage.one)
    await vera.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
    await stage.two.start()
    tab = await stage.again(vera, shop, stage.two, pos={c: {"public": 0}})
    await tab.until(lambda f: f.get("kind") == "joined" and f["data"]["agent"]["name"] == "Ben")
    assert [e["kind"] for e in tab.events[c, "public"]] == ["queued", "joined", "requeued", "joined"]


# Redis fails


async def flush(stage: Stage) -> None:
    redis = connect(stage.settings.redis_url, connections=1)
    await redis.flushall()
    await redis.script_flush()
    await redis.aclose()


async def test_a_redis_that_lost_everything_costs_nobody_their_place(stage: Stage) -> None:
    shop = await stage.shop()
    await a_full_house(stage, shop)
    line = await in_line(stage, shop, "Vera", "Vic", "Vin")
    await flush(stage)
    # Whoever leaves is missed by nobody, whoever comes is the last.
    await line[0][0].command({"t": "leave", "c": line[0][1]})
    for place, (client, _) in enumerate(line[1:], 1):
        await position(client, place, within_s=5)
    await flush(stage)
    late = await stage.visitor(shop)
    c = (await late.command({"t": "start"}))["c"]
    await position(late, 3, within_s=5)
    await flush(stage)
    ana = await stage.agent(await shop.hire("Ana", capacity=1))
    order = await served(ana, 3)
    # Two processes that build the index anew may each propose Ana to one of the two; whoever came last stays last.
    assert order[2] == c
    assert set(order) == {line[1][1], line[2][1], c}


async def test_while_redis_stands_still_messages_get_through_and_then_all_is_healed(house: House, stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana"), stage.two), await stage.visitor(shop, stage.one)
    c, _ = await stage.chat(vera, ana)
    house.signal("redis", signal.SIGSTOP)
    try:
        await vera.say(c, "Can you hear me?")  # acknowledged: that does not wait for Redis
        await ana.until(lambda f: f.get("data") == {"text": "Can you hear me?"}, within_s=14)
        await ana.say(c, "A little late.")
        # Somebody who comes now is let in, and waits like everybody.
        vic = await asyncio.wait_for(stage.visitor(shop, stage.one), 15)
        vics = (await vic.command({"t": "start"}, within_s=15))["c"]
        again = await asyncio.wait_for(stage.again(vera, shop, stage.one, pos={c: {"public": 0}}), 15)
        await again.until(lambda f: f.get("data") == {"text": "A little late."})
    finally:
        house.signal("redis", signal.SIGCONT)
    joined = await vic.event("joined", c=vics, within_s=20)
    assert joined["data"]["agent"]["name"] == "Ana"
    await vera.until(lambda f: f.get("data") == {"text": "A little late."}, within_s=14)
    await vera.say(c, "And now?")
    await ana.until(lambda f: f.get("data") == {"text": "And now?"}, within_s=5)
    assert ana.texts(c) == vera.texts(c) == ["Can you hear me?", "A little late.", "And now?"]


async def test_a_killed_redis_that_comes_back_empty_is_taken_up_again(house: House, stage: Stage) -> None:
    shop = await stage.shop()
    await a_full_house(stage, shop)
    line = await in_line(stage, shop, "Vera", "Vic")
    async with house.without("redis"):
        await line[0][0].command({"t": "leave", "c": line[0][1]}, within_s=15)
    await position(line[1][0], 1, within_s=15)
    await stage.agent(await shop.hire("Ana", capacity=1))
    await line[1][0].event("joined", within_s=15)


# Postgres fails

REACHED = {"unavailable": True, "internal": False}
"""The codes that this file reaches, and whether a repeat may help."""


def refusal(answer: Frame, code: str) -> None:
    assert (answer["t"], answer["code"], answer.get("retry", False)) == ("err", code, REACHED[code])


async def test_while_postgres_is_away_nothing_is_acknowledged_and_afterwards_nothing_is_lost(
    house: House, stage: Stage
) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana"), stage.two), await stage.visitor(shop, stage.one)
    c, _ = await stage.chat(vera, ana)
    await vera.say(c, "before")
    sends: list[Frame] = []
    async with house.without("postgres"):
        answer: Frame = {"t": "ok"}
        # What its last processes still commit is as good as any.
        while answer["t"] == "ok":
            sends.append({"t": "send", "c": c, "m": new_id(), "body": {"text": f"words {len(sends)}"}})
            answer = await asyncio.wait_for(vera.post(sends[-1]), 15)
            await asyncio.sleep(0.05)
        refusal(answer, "unavailable")
        sends.append({"t": "send", "c": c, "m": new_id(), "body": {"text": f"words {len(sends)}"}})
        assert (await vera.refused(sends[-1]))["code"] == "out_of_order"
        refusal(await vera.refused({"t": "end", "c": c}, within_s=15), "unavailable")
        late = WireClient(stage.one.url)
        await late.open()
        refusal(await late.refused({"t": "hello", "token": vera.token}, within_s=15), "unavailable")
        assert await late.closed() == 1013
        async with httpx2.AsyncClient(cookies={"deskbell": "any session"}) as http:
            told = await http.get(f"{stage.one.url}/api/canned", timeout=15)
        assert (told.status_code, told.json()["error"]["code"]) == (503, "unavailable")
        assert int(told.headers["retry-after"]) >= 1
    # What was not acknowledged comes again, in order.
    for frame in sends[-2:]:
        answer = {"t": "err", "retry": True}
        while answer["t"] == "err":
            assert answer["retry"], answer
            answer = await asyncio.wait_for(vera.post(frame), 15)
            await asyncio.sleep(0.05)
    assert vera.close_code is None, "the socket stayed open"
    said = ["before", *(frame["body"]["text"] for frame in sends)]
    await ana.until(lambda f: f.get("data") == {"text": said[-1]}, within_s=15)
    lane = await vera.sync_all(c)
    assert [e["data"]["text"] for e in lane if e["kind"] == "message"] == said
    assert [e["s"] for e in lane] == list(range(1, len(lane) + 1))
    assert ana.texts(c) == said


async def test_a_fault_of_ours_is_told_as_one_and_is_over_when_it_is_mended(stage: Stage) -> None:
    shop = await stage.shop()
    ana, vera = await stage.agent(await shop.hire("Ana")), await stage.visitor(shop)
    c, gen = await stage.chat(vera, ana)
    await stage.sql("ALTER TABLE episode RENAME TO mislaid")
    try:
        refusal(await ana.refused({"t": "close", "c": c, "gen": gen}), "internal")
    finally:
        await stage.sql("ALTER TABLE mislaid RENAME TO episode")
    await stage.sql("ALTER TABLE message RENAME TO mislaid")
    try:
        refusal(await vera.refused({"t": "send", "c": c, "m": new_id(), "body": {"text": "hello"}}), "internal")
    finally:
        await stage.sql("ALTER TABLE mislaid RENAME TO message")
    await vera.say(c, "hello")
    await ana.until(lambda f: f.get("data") == {"text": "hello"})
    await ana.command({"t": "close", "c": c, "gen": gen})
