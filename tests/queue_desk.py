"""A desk without sockets: real rows, the real queue on a real Redis, and the reactions that a process would have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.chat import conversations
from app.chat.conversations import Actor
from app.chat.models import Conversation
from app.contacts.models import Visitor
from app.errors import Conflict
from app.identity.events import AgentChanged
from app.identity.models import Agent, Site, Team, TeamMember
from app.ids import AgentId, uuid7
from app.infra.background import Background
from app.infra.database import Database
from app.infra.keys import Keys
from app.infra.redis import Redis, hash_of, keys_like
from app.infra.work import WorkUnits
from app.reactions import Reactions
from app.routing import clockwork, offers
from app.routing.assignment import Candidate, Index, Waiting
from app.routing.availability import candidates, set_accepting
from app.routing.entry import entry
from app.routing.queue import Queue

LONG_AGO = timedelta(hours=1)


class Nobody:
    """Where news go when no socket is there."""

    def event(self, conversation_id: UUID, lane: int, seq: int, frame: bytes) -> None:
        """An event of a lane."""

    def tell(self, topic: str, payload: bytes) -> None:
        """News of a topic."""


@dataclass
class Member:
    """An agent of the desk: room, skills, and the numbers of their teams."""

    capacity: int
    skills: tuple[str, ...]
    teams: tuple[int, ...]


@dataclass
class Desk:
    """Teams, each with a site, their agents and visitors."""

    work: WorkUnits
    queue: Queue
    redis: Redis
    keys: Keys
    background: Background
    teams: list[UUID] = field(default_factory=list[UUID])
    sites: list[UUID] = field(default_factory=list[UUID])
    agents: list[UUID] = field(default_factory=list[UUID])
    visitors: list[UUID] = field(default_factory=list[UUID])

    async def settle(self) -> None:
        """Let everything that follows from what happened happen."""
        while running := set(self.background._tasks):
            await asyncio.wait(running)

    async def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        """Run a statement; return its rows."""
        async with self.work.begin() as work:
            result: Any = await work.session.execute(text(statement), values)
            return result.all() if result.returns_rows else []

    # What people do

    async def comes(self, visitor: int) -> None:
        """A visitor asks for an agent, unless they talk to one or wait already."""
        async with self.work.begin() as work:
            person = await work.session.get_one(Visitor, self.visitors[visitor])
            site = await work.session.get_one(Site, person.site_id)
            conversation = await conversations.of_visitor(work.session, person, site)
            if conversation.state == "closed":
                try:
                    place = await entry(work.session, site, conversation, None, clock.now())
                except Conflict:
                    return
                await conversations.start(work, person, conversation, place, clock.now())

    async def leaves(self, visitor: int) -> None:
        """A visitor ends the chat, or gives up waiting."""
        async with self.work.begin() as work:
            conversation = await self._of(work.session, visitor)
            if conversation is not None and conversation.state != "closed":
                person = await work.session.get_one(Visitor, self.visitors[visitor])
                await conversations.end(work, conversation, person, clock.now())

    async def answers(self, visitor: int, how: str) -> None:
        """The agent who is asked accepts, declines, or says nothing; or who has the chat closes it, or vanishes."""
        async with self.work.begin() as work:
            conversation = await self._of(work.session, visitor)
            if conversation is None or conversation.agent_id is None:
                return
            agent = Actor(AgentId(conversation.agent_id), "")
            now, gen, state = clock.now(), conversation.gen, conversation.state
            if state == "offered" and how == "accept":
                await conversations.accept(work, conversation, gen, agent, now)
            elif state == "offered" and how == "decline":
                await offers.decline(work, conversation, gen, agent.id, now)
            elif state == "offered" and how == "silence":
                conversation.offer_expires_at = now - LONG_AGO
                await work.session.flush()
                await offers.expire_offer(work, now)
            elif state == "active" and how == "close":
                await conversations.close(work, conversation, gen, agent, now)
            elif state == "active" and how == "vanish":
                await conversations.requeue(work, conversation, "agent_gone", now)

    async def claims(self, agent: int, visitor: int) -> None:
        """An agent takes a visitor out of the line by hand."""
        try:
            async with self.work.begin() as work:
                conversation = await self._of(work.session, visitor)
                if conversation is not None and conversation.state == "waiting":
                    actor = Actor(AgentId(self.agents[agent]), "")
                    await conversations.claim(work, conversation, conversation.gen, actor, clock.now())
        except Conflict:
            return

    async def accepts(self, agent: int, accepting: bool) -> None:
        """An agent turns new chats on or off."""
        async with self.work.begin() as work:
            await set_accepting(work.session, self.agents[agent], accepting)
            work.record(AgentChanged(AgentId(self.agents[agent])))

    # What time and Redis do

    async def time_passes(self) -> None:
        """All that is kept, declined or passed on has been so for long enough."""
        long_ago = clock.now() - LONG_AGO
        async with self.work.begin() as work:
            for column in (Conversation.reserved_until, Conversation.declined_until):
                await work.session.execute(update(Conversation).where(column.is_not(None)).values({column: long_ago}))
        found = True
        while found:
            async with self.work.begin() as work:
                found = await clockwork.give_to_everybody(work, clock.now())

    async def redis_forgets(self) -> None:
        """The index is gone."""
        for key in await keys_like(self.redis, f"{self.keys.root}*"):
            await self.redis.delete(key)
        await self.queue.compare()

    # What is true

    async def known(self) -> tuple[list[Waiting], Index]:
        """Who waits, and what the rules say of everybody, read from Postgres alone."""
        rows = await self.sql("SELECT id, team_id, score, skills, reserved_for, declined FROM conversation c "
                              "WHERE state = 'waiting'")  # fmt: skip
        waiting = [
            Waiting(
                str(row.id),
                str(row.team_id),
                row.score,
                tuple(row.skills),
                str(row.reserved_for) if row.reserved_for else None,
                tuple(map(str, row.declined)),
            )
            for row in rows
        ]
        async with self.work.begin() as work:
            agents: list[Candidate] = await candidates(work.session)
        return waiting, Index(agents={agent.id: agent for agent in agents})

    async def indexed(self) -> dict[str, tuple[str, float, str]]:
        """Who stands in Redis: lane, score and rule by conversation."""
        rules = await hash_of(self.redis, self.keys.rules())
        found: dict[str, tuple[str, float, str]] = {}
        root = self.keys.queue("")
        for key in await keys_like(self.redis, self.keys.queue("*")):
            for member, score in await self.redis.zrange(key, 0, -1, withscores=True):
                name = member.decode()
                assert name not in found, f"{name} stands in two lanes"
                found[name] = (key.removeprefix(root), score, rules.get(name, ""))
        return found

    async def _of(self, session: AsyncSession, visitor: int) -> Conversation | None:
        theirs = select(Conversation).where(Conversation.visitor_id == self.visitors[visitor])
        return await session.scalar(theirs.with_for_update(key_share=True))


async def open_desk(
    database: Database, redis: Redis, teams: Sequence[dict[str, Any]], members: Sequence[Member], visitors: int
) -> Desk:
    """Open a desk: the teams' settings, who is there, and how many may come.

    Visitors come to the teams' sites by turns; `skills` among a team's settings are what its site asks for.
    """
    background = Background()
    reactions = Reactions(background)
    work, keys = WorkUnits(database, reactions), Keys(f"desk-{uuid4().hex[:12]}")
    queue = Queue(redis, keys, work)
    reactions.connect(Nobody(), queue, work)
    desk = Desk(work, queue, redis, keys, background)
    async with work.begin() as unit:
        session = unit.session
        gateway = uuid7()
        await session.execute(
            text("INSERT INTO gateway (id, seen_at) VALUES (:id, now() + interval '1 day')"), {"id": gateway}
        )
        for number, details in enumerate(teams):
            own = {name: value for name, value in details.items() if name != "skills"}
            team = Team(id=uuid7(), name=f"Team {uuid4().hex}", **own)
            session.add(team)
            await session.flush()
            site = Site(
                id=uuid7(), key=f"s_{uuid4().hex}", name=f"Site {number}", identity_secret="s", team_id=team.id,
                skills=list(details.get("skills", ())),
            )  # fmt: skip
            session.add(site)
            desk.teams.append(team.id)
            desk.sites.append(site.id)
        for number, member in enumerate(members):
            agent = Agent(
                id=uuid7(), email=f"{uuid4().hex}@desk.example", name=f"Agent {number}", password_hash="-",
                capacity=member.capacity, skills=sorted(member.skills),
            )  # fmt: skip
            session.add(agent)
            await session.flush()
            session.add_all(TeamMember(team_id=desk.teams[team], agent_id=agent.id) for team in set(member.teams))
            await session.execute(
                text("INSERT INTO presence (subject, gateway_id, kind) VALUES (:a, :g, 'agent')"),
                {"a": agent.id, "g": gateway},
            )
            desk.agents.append(agent.id)
        await session.flush()
        for number in range(visitors):
            person = Visitor(id=uuid7(), site_id=desk.sites[number % len(desk.sites)])
            session.add(person)
            desk.visitors.append(person.id)
    await queue.rebuild()
    return desk
