"""The cast: Vera the visitor, Ana and Ben the agents, Mei the supervisor, Ada the admin, Otto the outsider."""

from datetime import datetime

from app import clock
from app.identity.access import CurrentAgent
from app.identity.agents import AgentDetails, create_agent
from app.identity.models import Agent, Site, Team
from app.identity.permissions import Role
from app.identity.sessions import open_session
from app.identity.sites import SiteDetails, create_site
from app.identity.teams import create_team
from app.ids import AgentId, TeamId, uuid7
from app.infra.work import Work

NO_PASSWORD = "!"


async def a_team(work: Work, name: str = "Support") -> Team:
    return await create_team(work, name)


async def an_agent(work: Work, name: str, role: Role = Role.AGENT, *teams: Team, **details: object) -> Agent:
    """Somebody with an address like ana@desk.example, who cannot sign in by password."""
    given = {"email": f"{name.lower()}@desk.example", "name": name, "role": role, **details}
    given["team_ids"] = frozenset(TeamId(team.id) for team in teams)
    return await create_agent(work, Role.OWNER, AgentDetails(**given), NO_PASSWORD)  # pyright: ignore[reportArgumentType]


async def a_site(work: Work, team: Team, *, key: str | None = None, **details: object) -> Site:
    given = {"name": "Kiln & Leaf", "team_id": TeamId(team.id), "origins": ["https://shop.example"], **details}
    return await create_site(work, SiteDetails(**given), key=key)  # pyright: ignore[reportArgumentType]


async def a_session(work: Work, agent: Agent, now: datetime | None = None) -> str:
    """The token of a fresh session."""
    token, _ = await open_session(work.session, AgentId(agent.id), now or clock.now())
    return token


def asking(agent: Agent, *teams: Team) -> CurrentAgent:
    """An agent as a route knows them."""
    return CurrentAgent(
        id=AgentId(agent.id),
        name=agent.name,
        email=agent.email,
        role=Role(agent.role),
        session_id=uuid7(),
        team_ids=frozenset(TeamId(team.id) for team in teams),
    )
