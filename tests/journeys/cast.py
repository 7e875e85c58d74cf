"""The cast, on the wire: Vera and Vic visit, Ana and Ben answer. Their rows are made here, their sockets elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from app.identity.models import Agent, Site, Team, TeamMember
from app.identity.sessions import open_session
from app.ids import AgentId, uuid7
from app.infra.database import Database
from tests.journeys.wire_client import WireClient, agent_ticket, visitor_session


@dataclass
class Shop:
    """A site with a team."""

    database: Database
    site_key: str
    site_id: object
    team_id: object
    identity_secret: str

    async def hire(
        self, name: str, *, capacity: int = 4, role: str = "agent", skills: tuple[str, ...] = ()
    ) -> AgentOnDuty:
        """Add an agent to the team, with a session."""
        async with self.database.sessions() as session:
            agent = Agent(
                id=uuid7(),
                email=f"{name.lower()}-{uuid7().hex[-6:]}@shop.example",
                name=name,
                password_hash="not a hash: nobody signs in with it",
                role=role,
                capacity=capacity,
                skills=sorted(skills),
            )
            session.add(agent)
            await session.flush()
            session.add(TeamMember(team_id=self.team_id, agent_id=agent.id))
            token, _ = await open_session(session, AgentId(agent.id), datetime.now(UTC))
            await session.commit()
        return AgentOnDuty(str(agent.id), name, token)


@dataclass
class AgentOnDuty:
    """An agent and their session."""

    id: str
    name: str
    session_token: str

    async def come(self, url: str, **hello: object) -> WireClient:
        """Connect to a server process."""
        client = WireClient(url)
        await client.open()
        await client.hello(await self.ticket(url), **hello)  # type: ignore[arg-type]
        return client

    async def ticket(self, url: str) -> str:
        """Get a key to the socket."""
        return await agent_ticket(url, {"deskbell": self.session_token})


async def open_shop(database: Database, *, pre_chat: str = "off", origins: tuple[str, ...] = ()) -> Shop:
    """Make a site and its team."""
    async with database.sessions() as session:
        team = Team(id=uuid7(), name=f"Support {uuid7().hex[-6:]}")
        session.add(team)
        await session.flush()
        site = Site(
            id=uuid7(),
            key=f"s_{uuid7().hex[-12:]}",
            name="Shop",
            origins=list(origins),
            pre_chat=pre_chat,
            identity_secret="the shop's own secret for its visitors",
            team_id=team.id,
        )
        session.add(site)
        await session.commit()
    return Shop(database, site.key, site.id, team.id, site.identity_secret)


async def visit(url: str, shop: Shop, token: str | None = None, **hello: object) -> tuple[WireClient, str]:
    """A visitor comes (again, with a token) and says hello. Returns the client and the token."""
    session = await visitor_session(url, shop.site_key, token)
    client = WireClient(url)
    await client.open()
    await client.hello(session["token"], **hello)  # type: ignore[arg-type]
    return client, session["token"]
