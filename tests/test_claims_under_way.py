"""Claims that wait for another transaction decide by what it left behind, and nobody waits in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from app import clock
from app.chat.conversations import Actor
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.errors import Conflict
from app.identity.agents import deactivate
from app.identity.models import Agent, Team
from app.identity.permissions import Role
from app.ids import AgentId, uuid7
from app.infra import presence
from app.infra.database import Database
from app.infra.work import Work
from app.routing.assignment import Pair
from app.routing.offers import decline, offer_pairs
from app.routing.transfers import assign
from tests.people import a_site, a_team, an_agent

GATEWAY = uuid7()


@dataclass
class Desk:
    """Two agents who are there, and two visitors in line."""

    team: UUID
    agents: list[UUID]
    waiting: list[UUID]

    def pair(self, waiting: int) -> Pair:
        return Pair(str(self.waiting[waiting]), str(self.agents[0]), str(self.team), 1)


@pytest.fixture
async def desk(database: Database) -> Desk:
    async with database.sessions() as session:
        work = Work(session)
        team = await a_team(work)
        agents = sorted([(await an_agent(work, name, Role.AGENT, team)).id for name in ("Ana", "Ben")])
        site = await a_site(work, team)
        waiting: list[UUID] = []
        for score in (1, 2):
            visitor = Visitor(id=uuid7(), site_id=site.id, token_epoch=0, verified=False, attributes={})
            session.add(visitor)
            await session.flush()
            thread = {"site_id": site.id, "team_id": team.id, "visitor_id": visitor.id, "score": score, "episode": 1}
            conversation = Conversation(id=uuid7(), state="waiting", **thread)
            session.add(conversation)
            waiting.append(conversation.id)
        await presence.arrive(session, GATEWAY, [(agent, "agent") for agent in agents])
        await session.execute(text("UPDATE agent SET accepting = true"))
        await session.commit()
    return Desk(team.id, agents, waiting)


async def held_up(doing: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Begin what cannot go on before another transaction has ended."""
    task = asyncio.create_task(doing)
    await asyncio.sleep(0.5)
    assert not task.done()
    return task


async def test_a_share_holds_although_two_claims_come_at_once(database: Database, desk: Desk) -> None:
    async with database.sessions() as one, database.sessions() as two:
        await one.execute(update(Team).values(share=1))
        await one.commit()
        assert await offer_pairs(Work(one), [desk.pair(0)], clock.now()) == []
        await one.flush()
        second = await held_up(offer_pairs(Work(two), [desk.pair(1)], clock.now()))
        await one.commit()
        assert await second == [desk.pair(1)]


async def test_who_is_just_leaving_is_offered_nobody(database: Database, desk: Desk) -> None:
    async with database.sessions() as one, database.sessions() as two:
        await presence.depart(one, GATEWAY, [(desk.agents[0], "agent", 0.0)])
        claim = await held_up(offer_pairs(Work(two), [desk.pair(0)], clock.now()))
        await one.commit()
        assert await claim == [desk.pair(0)]


async def test_who_is_just_leaving_is_assigned_nobody(database: Database, desk: Desk) -> None:
    async with database.sessions() as one, database.sessions() as two:
        waiting = await two.get_one(Conversation, desk.waiting[0], with_for_update={"key_share": True})
        await presence.depart(one, GATEWAY, [(desk.agents[0], "agent", 0.0)])
        mei = Actor(AgentId(desk.agents[1]), "Mei")
        by_hand = await held_up(assign(Work(two), waiting, 0, desk.agents[0], mei, clock.now()))
        await one.commit()
        with pytest.raises(Conflict) as refused:
            await by_hand
        assert refused.value.code == "no_agents"


async def test_declining_what_a_colleague_passed_locks_both_in_order(database: Database, desk: Desk) -> None:
    first, second = desk.agents
    async with database.sessions() as one, database.sessions() as two:
        await one.execute(update(Agent).values(load=1, missed=1))
        passed = {"state": "offered", "agent_id": second, "passed_by": first, "gen": 3}
        await one.execute(update(Conversation).where(Conversation.id == desk.waiting[0]).values(**passed))
        await one.commit()
        # As whoever needs both does.
        await one.execute(select(Agent.id).where(Agent.id == first).with_for_update(key_share=True))
        offered = await two.get_one(Conversation, desk.waiting[0], with_for_update={"key_share": True})
        declining = await held_up(decline(Work(two), offered, 3, AgentId(second), clock.now()))
        await one.execute(select(Agent.id).where(Agent.id == second).with_for_update(key_share=True))
        await one.commit()
        await declining
        await two.commit()
        missed = (await two.execute(select(Agent.missed).where(Agent.id == second))).scalar_one()
        assert missed == 0


async def test_changing_an_agent_locks_the_owners_in_the_same_order(database: Database, desk: Desk) -> None:
    first, second = desk.agents
    async with database.sessions() as one, database.sessions() as two:
        await one.execute(update(Agent).where(Agent.id == second).values(role=Role.OWNER))
        await one.commit()
        await one.execute(select(Agent.id).where(Agent.id == first).with_for_update(key_share=True))
        change = await held_up(deactivate(Work(two), Role.OWNER, AgentId(first), clock.now()))
        await one.execute(select(Agent.id).where(Agent.id == second).with_for_update(key_share=True))
        await one.commit()
        await change
        await two.commit()
        assert (await one.execute(select(Agent.active).where(Agent.id == first))).scalar_one() is False
