"""Creating and changing agents and teams."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from app import clock
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.identity.agents import (
    AgentDetails,
    agent_by_email,
    change_agent,
    checked_password,
    create_agent,
    deactivate,
    set_password,
)
from app.identity.events import AgentChanged, TeamChanged
from app.identity.models import TeamMember
from app.identity.permissions import Role
from app.identity.teams import change_team, create_team, members
from app.ids import AgentId, TeamId, uuid7
from app.infra.work import Work
from tests.people import a_team, an_agent

NOW = clock.now()
ANA = AgentDetails(email="ana@desk.example", name="Ana")


async def test_an_address_belongs_to_one_agent_whatever_its_case(work: Work) -> None:
    await create_agent(work, Role.ADMIN, ANA, "!")
    found = await agent_by_email(work.session, " ANA@Desk.Example ")
    assert found
    assert found.name == "Ana"
    with pytest.raises(Conflict) as caught:
        await create_agent(work, Role.ADMIN, replace(ANA, email="Ana@DESK.example"), "!")
    assert (caught.value.code, caught.value.field) == ("in_use", "email")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "ana"}, "email"),
        ({"email": "ana@desk.example\nbcc: x@y.example"}, "email"),
        ({"name": "\x00"}, "name"),
        ({"name": ""}, "name"),
        ({"capacity": 101}, "capacity"),
        ({"capacity": -1}, "capacity"),
        ({"team_ids": frozenset({uuid7()})}, "team_ids"),
    ],
)
async def test_what_is_wrong_is_told_with_its_field(work: Work, wrong: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await create_agent(work, Role.ADMIN, replace(ANA, **wrong), "!")  # pyright: ignore[reportArgumentType]
    assert caught.value.field == field


async def test_an_admin_can_neither_make_nor_touch_an_owner(work: Work) -> None:
    owner = await an_agent(work, "Olga", Role.OWNER)
    with pytest.raises(Forbidden):
        await create_agent(work, Role.ADMIN, replace(ANA, role=Role.OWNER), "!")
    with pytest.raises(Forbidden):
        await change_agent(work, Role.ADMIN, AgentId(owner.id), ANA, NOW)
    with pytest.raises(Forbidden):
        await set_password(work, Role.ADMIN, AgentId(owner.id), "!", NOW)
    with pytest.raises(Forbidden):
        await deactivate(work, Role.ADMIN, AgentId(owner.id), NOW)


async def test_an_admin_cannot_make_somebody_owner(work: Work) -> None:
    ana = await create_agent(work, Role.ADMIN, ANA, "!")
    with pytest.raises(Forbidden):
        await change_agent(work, Role.ADMIN, AgentId(ana.id), replace(ANA, role=Role.OWNER), NOW)


async def test_the_last_owner_stays_owner(work: Work) -> None:
    owner = await an_agent(work, "Olga", Role.OWNER)
    for change in ({"role": Role.ADMIN}, {"active": False}):
        details = AgentDetails(email=owner.email, name=owner.name, role=Role.OWNER)
        with pytest.raises(Conflict) as caught:
            await change_agent(work, Role.OWNER, AgentId(owner.id), replace(details, **change), NOW)  # pyright: ignore[reportArgumentType]
        assert caught.value.code == "in_use"
    await an_agent(work, "Otto", Role.OWNER)
    await deactivate(work, Role.OWNER, AgentId(owner.id), NOW)
    assert not owner.active


async def test_a_change_raises_the_revision_and_is_told(work: Work) -> None:
    support, billing = await a_team(work, "Support"), await a_team(work, "Billing")
    ana = await an_agent(work, "Ana", Role.AGENT, support)
    work.facts.clear()
    details = replace(ANA, capacity=7, team_ids=frozenset({TeamId(billing.id)}))
    await change_agent(work, Role.ADMIN, AgentId(ana.id), details, NOW)
    assert (ana.capacity, ana.rev) == (7, 1)
    assert AgentChanged(AgentId(ana.id)) in work.facts
    assert {TeamChanged(TeamId(support.id)), TeamChanged(TeamId(billing.id))} <= set(work.facts)
    assert [agent.id for agent in await members(work.session, TeamId(billing.id))] == [ana.id]
    assert await members(work.session, TeamId(support.id)) == []


async def test_changing_a_teams_members_tells_each_who_came_or_went(work: Work) -> None:
    ana, ben, mei = [await an_agent(work, name) for name in ("Ana", "Ben", "Mei")]
    team = await create_team(work, "Support", [AgentId(ana.id), AgentId(ben.id)])
    work.facts.clear()
    await change_team(work, TeamId(team.id), "Support", [AgentId(ben.id), AgentId(mei.id)])
    assert {fact.agent_id for fact in work.facts if isinstance(fact, AgentChanged)} == {ana.id, mei.id}
    rows = await work.session.scalars(select(TeamMember.agent_id).where(TeamMember.team_id == team.id))
    assert set(rows) == {ben.id, mei.id}


async def test_team_names_are_unique_whatever_their_case(work: Work) -> None:
    await create_team(work, "Support")
    with pytest.raises(Conflict) as caught:
        await create_team(work, "SUPPORT")
    assert (caught.value.code, caught.value.field) == ("in_use", "name")


async def test_what_is_not_there_is_not_found(work: Work) -> None:
    with pytest.raises(NotFound):
        await change_team(work, TeamId(uuid7()), "Support", [])
    with pytest.raises(NotFound):
        await change_agent(work, Role.OWNER, AgentId(uuid7()), ANA, NOW)


@pytest.mark.parametrize("password", ["", "short", "eleven char", "x" * 201, "a\x00bcdefghijkl"])
def test_a_poor_password_is_refused_beside_its_field(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked_password(password, field="new_password")
    assert caught.value.field == "new_password"
