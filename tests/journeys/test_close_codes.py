"""Close codes that say why a connection is over for good, and that nobody else tests.

(4500, 4501, 1003, 1007, 1009 and floods are in test_wire_errors.py, crowds in test_crowds.py, 1013 in
test_queue_faults.py.)
"""

from __future__ import annotations

import httpx2
import pytest

from tests.journeys.cast import AgentOnDuty
from tests.journeys.stage import Stage
from tests.journeys.wire_client import WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG_S = 60


async def test_who_is_switched_off_and_who_signs_out_hear_which_it_was(stage: Stage) -> None:
    shop = await stage.shop()
    ada, ana, ben = await shop.hire("Ada", role="owner"), await shop.hire("Ana"), await shop.hire("Ben")
    at_ana, at_ben, at_ada = [await stage.agent(who, at) for who, at in ((ana, stage.one), (ben, None), (ada, None))]
    await post_form(stage.two.url, ben, "/sign-out", {})
    assert await at_ben.closed(LONG_S) == 4504
    details = {"name": "Ana", "email": "ana@shop.example", "role": "agent", "capacity": "4"}
    await post_form(stage.two.url, ada, f"/admin/agents/{ana.id}", details)
    assert await at_ana.closed(LONG_S) == 4503
    await at_ada.command({"t": "status", "accept": False})


async def post_form(url: str, who: AgentOnDuty, path: str, form: dict[str, str]) -> None:
    async with httpx2.AsyncClient(cookies={"deskbell": who.session_token}) as http:
        answer = await http.post(url + path, data=form, headers={"Origin": url})
        assert answer.status_code == 303, answer.text


async def test_an_old_version_is_told_that_it_is_over(stage: Stage) -> None:
    client = WireClient(stage.one.url)
    await client.open(subprotocol="deskbell.v0")
    assert await client.closed(LONG_S) == 4506
    vera = await stage.visitor(await stage.shop())
    await vera.command({"t": "page", "url": "https://shop.example/", "title": "Shop"})
