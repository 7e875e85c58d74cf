"""The main road on the wire: the visitor on one server process, the agent on another."""

import asyncio

import pytest
from sqlalchemy import text as sql

from app.infra.database import Database
from tests.journeys.cast import open_shop, visit
from tests.journeys.conftest import StartServer
from tests.journeys.wire_client import Frame, Refused, new_id


async def test_visitor_asks_agent_answers_visitor_rates(server_process: StartServer, database: Database) -> None:
    one, two = await server_process(), await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana", capacity=1)).come(two.url)
    vera, _ = await visit(one.url, shop)
    await vera.until(lambda f: (f["t"] == "available" and f["available"]) or vera.snapshot["available"])

    started = await vera.command({"t": "start", "name": "Vera"})
    c = started["c"]
    joined = await vera.event("joined")
    assert joined["data"]["agent"]["name"] == "Ana"
    head = await ana.until(lambda f: f["t"] == "head" and f["head"]["state"] == "active")
    assert head["head"]["visitor"]["name"] == "Vera"

    vic, _ = await visit(one.url, shop)
    waiting = await vic.command({"t": "start", "name": "Vic"})
    await vic.until(lambda f: (f["t"] == "queue" and f["position"] == 1) or waiting["conversation"]["position"] == 1)

    sent = await vera.say(c, "Where is my teapot?")
    heard = await ana.until(lambda f: f["t"] == "ev" and f["kind"] == "message")
    assert (heard["s"], heard["data"]["text"]) == (sent["s"], "Where is my teapot?")
    await ana.say(c, "On its way.")
    assert (await vera.until(lambda f: f["t"] == "ev" and f["from"]["kind"] == "agent" and f["kind"] == "message"))[
        "data"
    ] == {"text": "On its way."}

    await ana.command({"t": "note", "c": c, "m": new_id(), "body": {"text": "She is patient."}})
    gen = head["head"]["gen"]
    await ana.command({"t": "close", "c": c, "gen": gen})
    await vera.event("closed")
    await vera.command({"t": "rate", "c": c, "score": 5, "comment": "Quick."})
    rated = await ana.until(lambda f: f["t"] == "head" and f["head"]["c"] == c and f["head"]["gen"] > gen + 1)
    assert rated["head"]["internal"] == 3, "offered, the note, rated"
    await vic.event("joined", within_s=10)

    assert all(frame.get("lane") != "internal" for frame in vera.log)
    with pytest.raises(Refused, match="conversation_closed"):
        await vera.say(c, "One more thing")
    for client in (vera, vic, ana):
        await client.close()


async def test_what_was_said_before_a_new_beginning_comes_again_and_in_order(
    server_process: StartServer, database: Database
) -> None:
    one = await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(one.url)
    vera, _ = await visit(one.url, shop)
    c = (await vera.command({"t": "start"}))["c"]
    await vera.event("joined")
    begins_anew = sql("UPDATE conversation SET gen = gen + 1, episode_gen = gen + 1 WHERE CAST(id AS text) = :c")
    for speaker in (vera, ana):
        answers: list[Frame] = []
        said: list[Frame] = []
        for attempt in range(5):
            # Closed and opened again, and nobody told this process. (It looks by itself every ten seconds.)
            async with database.sessions() as session:
                await session.execute(begins_anew, {"c": c})
                await session.commit()
            said = [{"t": "send", "c": c, "m": new_id(), "body": {"text": f"{attempt} {n}"}} for n in range(3)]
            answers = await asyncio.gather(*(speaker.post(frame) for frame in said))
            if answers[0]["t"] == "err":
                break
        assert {(answer["code"], answer["retry"]) for answer in answers} <= {("stale", True), ("out_of_order", True)}
        assert answers[0]["code"] == "stale"
        assert [(await speaker.command(frame))["dup"] for frame in said] == [False] * 3
        assert [event["data"]["text"] for event in (await speaker.sync_all(c))[-3:]] == [
            frame["body"]["text"] for frame in said
        ]
    for client in (vera, ana):
        await client.close()


async def test_conversation_survives_a_killed_server(server_process: StartServer, database: Database) -> None:
    one, two = await server_process(), await server_process()
    shop = await open_shop(database)
    ana = await (await shop.hire("Ana")).come(two.url)
    vera, token = await visit(one.url, shop)
    c = (await vera.command({"t": "start"}))["c"]
    await vera.event("joined")
    await vera.say(c, "one")
    undecided = [(new_id(), f"text {i}") for i in range(8)]
    for m, text in undecided:
        vera.post({"t": "send", "c": c, "m": m, "body": {"text": text}})
    await asyncio.sleep(0.01)
    await one.kill()
    await vera.closed()
    await ana.say(c, "still here?")
    await one.start()
    again, _ = await visit(one.url, shop, token, pos=vera.pos())
    again.events.update({key: list(events) for key, events in vera.events.items()})
    for m, text in undecided:
        await again.say(c, text, m)
    lane = await again.sync_all(c)
    texts = [e["data"]["text"] for e in lane if e["kind"] == "message"]
    assert sorted(texts) == sorted(["one", "still here?", *(text for _, text in undecided)])
    assert [e["s"] for e in lane] == list(range(1, len(lane) + 1))
    await ana.until(lambda f: f["t"] == "ev" and f.get("data", {}).get("text") == "text 7")
    await again.close()
    await ana.close()
