"""Visitors in line are told how long it will most likely take, once enough is known, and it is kept what was told."""

import asyncio
from typing import Any

import pytest

from app.gateway.waiting_room import FLOW_S
from tests.journeys.stage import Stage
from tests.journeys.wire_client import WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def told(client: WireClient, place: int) -> Any:
    """The wait that is told with this place: at once, or a moment later when the server looks again."""
    frame = await client.until(lambda f: f["t"] == "queue" and f["position"] == place and "wait" in f)
    return frame["wait"]


async def test_a_wait_is_announced_once_enough_is_known(stage: Stage) -> None:
    shop = await stage.shop()
    ana = await stage.agent(await shop.hire("Ana", capacity=1))
    for number in range(6):
        visitor = await stage.visitor(shop)
        c, gen = await stage.chat(visitor, ana)
        if number == 3:
            early = await stage.visitor(shop)
            place = (await early.command({"t": "start"}))["conversation"]
            if place["position"] is None:
                await early.until(lambda f: f["t"] == "queue" and f["position"] == 1)
            await early.command({"t": "leave", "c": place["c"]})
        await ana.command({"t": "close", "c": c, "gen": gen})
    # As if each had taken ten minutes and a half, and nobody had ever given up.
    await stage.sql(
        "UPDATE episode SET queued_at = closed_at - interval '10 min 30 s', "
        "assigned_at = closed_at - interval '10 min 30 s' "
        "WHERE team_id = :team AND outcome = 'answered'",
        team=shop.team_id,
    )
    await stage.sql("DELETE FROM episode WHERE team_id = :team AND outcome <> 'answered'", team=shop.team_id)
    assert not [frame for frame in early.log if frame.get("wait")], "three chats tell too little"
    # Whoever was in line when enough was known may have let a process look: that stands for so long.
    await asyncio.sleep(FLOW_S)
    vera = await stage.visitor(shop)
    await stage.chat(vera, ana)
    vic, val = await stage.visitor(shop), await stage.visitor(shop, stage.two)
    await vic.command({"t": "start"})
    await val.command({"t": "start"})
    # One agent, ten minutes and a half a chat: the quantiles of one and of two such steps, rounded outwards.
    assert await told(vic, 1) == [60, 1800]
    assert await told(val, 2) == [300, 2700]
    kept = await stage.sql(
        "SELECT estimate_s, estimate_low_s, estimate_high_s FROM episode "
        "WHERE team_id = :team AND estimate_s IS NOT NULL ORDER BY queued_at",
        team=shop.team_id,
    )
    assert [row.estimate_s for row in kept] == pytest.approx([630, 1260], rel=0.1)
    assert all(row.estimate_low_s < row.estimate_s < row.estimate_high_s for row in kept)
