"""The settings of the queue: kept as chosen, refused where they cannot be, doubted where they can hardly be meant."""

import re
from html import unescape
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.identity.models import Agent, Site, Team
from app.main import Deskbell
from tests.pages.conftest import Cast, Visit
from tests.pages.test_forms import beside

QUEUE = {
    "strategy": "longest_idle", "mode": "offer", "share": "2", "sticky_s": "45", "queue_limit": "20",
    "overflow_after_s": "90", "choice_after_s": "180",
}  # fmt: skip


def odd(page: str) -> list[str]:
    """The doubts that a list or a form shows."""
    found = re.findall(r'<span class="odd">.*?<span>(.*?)</span></span>', page, re.S)
    banner = re.findall(r'<div class="banner warn" role="status">.*?<div>(.*?)</div>', page, re.S)
    return [unescape(each) for each in found + re.findall(r"<p>(.*?)</p>", "".join(banner))]


async def test_a_team_keeps_how_it_hands_out_chats(visit: Visit, cast: Cast, server: Deskbell) -> None:
    client = await visit("ada")
    ana = cast.agents["ana"]
    members = [str(each.id) for name, each in cast.agents.items() if name != "otto"]
    await client.post("/admin/teams/new", data={"name": "Night", "agent_ids": [str(cast.agents["otto"].id)]})
    async with server.work.begin() as work:
        night = await work.session.scalar(select(Team.id).where(Team.name == "Night"))
        rev = await work.session.scalar(select(Agent.rev).where(Agent.id == ana.id)) or 0
    form: dict[str, Any] = {"name": "Support", "agent_ids": members, "overflow_team_id": str(night), **QUEUE}
    assert (await client.post(f"/admin/teams/{cast.team.id}", data=form)).status_code == 303
    async with server.work.begin() as work:
        team = await work.session.get_one(Team, cast.team.id)
        kept = {name: str(getattr(team, name)) for name in (*QUEUE, "overflow_team_id")}
        assert kept == {**QUEUE, "overflow_team_id": str(night)}
        # Whoever holds a copy of an agent learns that their place in the team is another.
        assert await work.session.scalar(select(Agent.rev).where(Agent.id == ana.id)) == rev + 1
    page = (await client.get(f"/admin/teams/{cast.team.id}")).text
    assert "Longest idle · offered" in page
    assert "at most 20 wait · then Night · a choice after 180 s" in page
    # Nothing written switches it off.
    assert (await client.post(f"/admin/teams/{cast.team.id}", data={"name": "Support"})).status_code == 303
    async with server.work.begin() as work:
        team = await work.session.get_one(Team, cast.team.id)
        assert (team.strategy, team.mode) == ("least_busy", "direct")
        assert {team.share, team.queue_limit, team.overflow_team_id, team.choice_after_s, team.sticky_s} == {None}


async def test_impossible_settings_of_a_team_are_told_beside_their_field(visit: Visit, cast: Cast) -> None:
    client = await visit("ada")
    path = f"/admin/teams/{cast.team.id}"
    for field, value in (
        ("strategy", "by height"), ("mode", "shouted"), ("share", "0"), ("share", "many"), ("share", "101"),
        ("queue_limit", "0"), ("queue_limit", "-1"), ("sticky_s", "0"), ("sticky_s", "3601"),
        ("choice_after_s", "1.5"), ("overflow_after_s", "999999999"), ("overflow_team_id", "x"),
        ("overflow_team_id", str(cast.team.id)), ("overflow_team_id", str(UUID(int=7))),
    ):  # fmt: skip
        answer = await client.post(path, data={"name": "Support", field: value})
        assert answer.status_code == 422, (field, value)
        assert beside(answer.text, field), (field, value)
        assert '<details class="group" open>' in answer.text, "what is wrong must be seen"
    lonely = await client.post(path, data={"name": "Support", "overflow_after_s": "60"})
    assert "Choose the team that takes over" in beside(lonely.text, "overflow_team_id")


async def test_teams_do_not_overflow_in_a_circle(visit: Visit, cast: Cast, server: Deskbell) -> None:
    client = await visit("ada")
    to = str(cast.team.id)
    for name in ("Second", "Third"):
        assert (await client.post("/admin/teams/new", data={"name": name, "overflow_team_id": to})).status_code == 303
        async with server.work.begin() as work:
            to = str(await work.session.scalar(select(Team.id).where(Team.name == name)))
    # Third goes to Second, Second to Support: Support cannot go to Third.
    answer = await client.post(f"/admin/teams/{cast.team.id}", data={"name": "Support", "overflow_team_id": to})
    assert "come back to this team" in beside(answer.text, "overflow_team_id")
    async with server.work.begin() as work:
        assert await work.session.scalar(select(Team.overflow_team_id).where(Team.id == cast.team.id)) is None


async def test_skills_are_words_in_order(visit: Visit, cast: Cast, server: Deskbell) -> None:
    client = await visit("ada")
    ana = cast.agents["ana"]
    form = {"name": "Ana", "email": ana.email, "role": "agent", "capacity": "3", "active": "1"}
    form["team_ids"] = str(cast.team.id)
    async with server.work.begin() as work:
        rev = await work.session.scalar(select(Agent.rev).where(Agent.id == ana.id)) or 0
    assert (
        await client.post(f"/admin/agents/{ana.id}", data={**form, "skills": " PT, en,Order  Returns ,en,"})
    ).is_redirect
    async with server.work.begin() as work:
        found = (await work.session.execute(select(Agent.skills, Agent.rev).where(Agent.id == ana.id))).one()
        assert found.skills == ["en", "order-returns", "pt"]
        assert found.rev > rev
    assert 'value="en, order-returns, pt"' in (await client.get(f"/admin/agents/{ana.id}")).text
    for wrong in ("français", "a" * 31, "<b>", ",".join(f"s{n}" for n in range(21)), "a+b", "\x07"):
        answer = await client.post(f"/admin/agents/{ana.id}", data={**form, "skills": wrong})
        assert answer.status_code == 422, wrong
        assert beside(answer.text, "skills"), wrong
    site = {"name": "Shop", "accent": "#112233", "pre_chat": "off", "team_id": str(cast.team.id), "locale": "en"}
    path = f"/admin/sites/{cast.site.id}"
    for field, value in (("skills", "a b!"), ("boost_s", "901"), ("boost_s", "soon")):
        assert beside((await client.post(path, data={**site, field: value})).text, field), (field, value)
    ok = await client.post(path, data={**site, "skills": "PT", "by_language": "1", "boost_s": "900"})
    assert ok.status_code == 303
    async with server.work.begin() as work:
        kept = await work.session.get_one(Site, cast.site.id)
        assert (kept.skills, kept.by_language, kept.boost_s) == (["pt"], True, 900)
    page = (await client.get(path)).text
    assert "pt · by language · 900 s head start" in page
    assert odd(page) == []


async def test_what_can_hardly_be_meant_is_doubted_where_it_is_made(visit: Visit, cast: Cast) -> None:
    client = await visit("ada")
    ana = cast.agents["ana"]
    # Somebody who may have nothing.
    agent = {"name": "Ana", "email": ana.email, "role": "agent", "capacity": "0", "active": "1"}
    answer = await client.post(f"/admin/agents/{ana.id}", data={**agent, "team_ids": str(cast.team.id)})
    for path in (answer.headers["location"], f"/admin/agents/{ana.id}"):
        assert odd((await client.get(path)).text) == ["Chats at once is 0: they never get a chat."]
    # A site that asks for what nobody can do; a language that nobody has.
    site = {"name": "Shop", "accent": "#112233", "pre_chat": "off", "team_id": str(cast.team.id), "locale": "en"}
    answer = await client.post(f"/admin/sites/{cast.site.id}", data={**site, "skills": "billing", "by_language": "1"})
    told = odd((await client.get(answer.headers["location"])).text)
    assert [each.split(":")[0].split(",")[0] for each in told] == [
        "Nobody in its team can do billing", "It goes by the visitor's language",
    ]  # fmt: skip
    assert odd((await client.get("/admin/sites")).text) == told
    # A team whose share nobody reaches, one that nobody is in, one in which nobody may have anything.
    path = f"/admin/teams/{cast.team.id}"
    mei = str(cast.agents["mei"].id)
    for form, words in (
        ({"agent_ids": [mei], "share": "99"}, "At most 99 chats of this team an agent, but nobody takes that many"),
        ({"agent_ids": [str(ana.id)]}, "Nobody in this team may have a chat"),
        ({}, "Nobody is in this team: its visitors are asked to leave a message."),
    ):
        assert (await client.post(path, data={"name": "Support", **form})).status_code == 303
        for page in (path, "/admin/teams"):
            assert any(each.startswith(words) for each in odd((await client.get(page)).text)), (page, words)
    # Nothing of this was refused: it is as it was said.
    assert "Nobody is in the team Support" in odd((await client.get("/admin/sites")).text)[0]


async def test_a_team_that_takes_over_answers_for_the_skills(visit: Visit, cast: Cast, server: Deskbell) -> None:
    client = await visit("ada")
    otto = cast.agents["otto"]
    await client.post("/admin/teams/new", data={"name": "Night", "agent_ids": [str(otto.id)]})
    async with server.work.begin() as work:
        night = await work.session.scalar(select(Team.id).where(Team.name == "Night"))
        (await work.session.get_one(Agent, otto.id)).skills = ["billing"]
        (await work.session.get_one(Site, cast.site.id)).skills = ["billing"]
        (await work.session.get_one(Team, cast.team.id)).overflow_team_id = night
        assert await work.session.scalar(select(func.count()).select_from(Team)) == 2
    assert odd((await client.get("/admin/sites")).text) == []
