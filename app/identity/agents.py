"""Agents: created, changed, switched off. Passwords arrive here already hashed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.identity.events import AgentChanged, TeamChanged
from app.identity.models import Agent, Team, TeamMember
from app.identity.permissions import Role, may_change
from app.identity.sessions import revoke_sessions
from app.identity.skills import clean_skills
from app.ids import AgentId, TeamId
from app.infra.work import Work
from app.text import checked_email, clean_line

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
MOST_CHATS = 100


@dataclass(frozen=True, slots=True)
class AgentDetails:
    """What an admin says of an agent; `skills` by commas."""

    email: str
    name: str
    role: Role = Role.AGENT
    capacity: int = 4
    team_ids: frozenset[TeamId] = frozenset()
    active: bool = True
    skills: str = ""


async def agent_by_id(session: AsyncSession, agent_id: AgentId) -> Agent:
    """Return an agent.

    Raises:
        NotFound: there is none.
    """
    agent = await session.get(Agent, agent_id)
    if agent is None:
        raise NotFound
    return agent


async def role_of(session: AsyncSession, agent_id: AgentId) -> Role:
    """Return an agent's role as it is now.

    Raises:
        NotFound: there is no such agent.
    """
    return Role((await agent_by_id(session, agent_id)).role)


async def agent_by_email(session: AsyncSession, email: str) -> Agent | None:
    """Return the agent of an e-mail address, in whatever case, or None."""
    return await session.scalar(select(Agent).where(func.lower(Agent.email) == email.strip().lower()))


async def all_agents(session: AsyncSession) -> Sequence[Agent]:
    """Return every agent: active ones first, by name."""
    query = select(Agent).order_by(Agent.active.desc(), func.lower(Agent.name), Agent.id)
    return (await session.scalars(query)).all()


async def known_skills(session: AsyncSession) -> list[str]:
    """Return every skill that an active agent has, in order."""
    return sorted(set(await session.scalars(select(func.unnest(Agent.skills)).where(Agent.active))))


def checked_password(password: str, *, field: str = "password") -> str:
    """Return a password that is long enough.

    Raises:
        Invalid: fewer than 12 or more than 200 characters, or a character that nobody can type.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(f"At least {SHORTEST_PASSWORD} characters, please. A short sentence does well.", field=field)
    if len(password) > LONGEST_PASSWORD:
        raise Invalid(f"At most {LONGEST_PASSWORD} characters, please.", field=field)
    if not password.isprintable():
        raise Invalid("This holds a character that cannot be typed.", code="bad_text", field=field)
    return password


async def create_agent(work: Work, by: Role, details: AgentDetails, password_hash: str) -> Agent:
    """Create an agent.

    Args:
        work: the unit of work.
        by: the role of whoever creates them.
        details: who they are.
        password_hash: see `app.infra.passwords`.

    Raises:
        Invalid: a field is wrong; `field` says which.
        Forbidden: `by` may not create such a role.
        Conflict: `in_use`, the e-mail address is taken.
    """
    agent = Agent(password_hash=password_hash)
    _apply(agent, by, details)
    work.session.add(agent)
    await _flush(work.session)
    await _set_teams(work, agent, details.team_ids)
    work.record(AgentChanged(AgentId(agent.id)))
    return agent


async def change_agent(work: Work, by: Role, agent_id: AgentId, details: AgentDetails, now: datetime) -> Agent:
    """Give an agent new details. Whoever is switched off, or changes role, is signed out everywhere.

    Raises:
        NotFound, Invalid, Forbidden, Conflict: as for `create_agent`; also Conflict `in_use` when nobody would be
            left who is an active owner.
    """
    owners = await _lock_with_owners(work.session, agent_id)
    agent = await work.session.get(Agent, agent_id, populate_existing=True)
    if agent is None:
        raise NotFound
    if not may_change(by, Role(agent.role)):
        raise Forbidden("Only an owner can change an owner.")
    before = (agent.role, agent.active)
    stays_owner = details.role is Role.OWNER and details.active
    if owners == [agent.id] and not stays_owner:
        raise Conflict("Somebody must be owner. Make another one first.", code="in_use", field="role")
    _apply(agent, by, details)
    agent.rev += 1
    await _flush(work.session)
    await _set_teams(work, agent, details.team_ids)
    if before != (agent.role, agent.active):
        await revoke_sessions(work, agent_id, now, switched_off=not agent.active)
    work.record(AgentChanged(agent_id))
    return agent


async def set_password(work: Work, by: Role, agent_id: AgentId, password_hash: str, now: datetime) -> None:
    """Give an agent another password and sign them out everywhere.

    Raises:
        NotFound: no such agent.
        Forbidden: `by` may not change them.
    """
    agent = await agent_by_id(work.session, agent_id)
    if not may_change(by, Role(agent.role)):
        raise Forbidden("Only an owner can change an owner.")
    agent.password_hash = password_hash
    await revoke_sessions(work, agent_id, now)


async def deactivate(work: Work, by: Role, agent_id: AgentId, now: datetime) -> None:
    """Switch an agent off: no sign-in, no chats. What they did stays.

    Raises:
        NotFound, Forbidden, Conflict: as for `change_agent`.
    """
    agent = await agent_by_id(work.session, agent_id)
    teams = await work.session.scalars(select(TeamMember.team_id).where(TeamMember.agent_id == agent_id))
    details = AgentDetails(
        email=agent.email,
        name=agent.name,
        role=Role(agent.role),
        capacity=agent.capacity,
        team_ids=frozenset(TeamId(team) for team in teams),
        active=False,
        skills=",".join(agent.skills),
    )
    await change_agent(work, by, agent_id, details, now)


def _apply(agent: Agent, by: Role, details: AgentDetails) -> None:
    if not may_change(by, details.role):
        raise Forbidden("Your role does not allow this. Ask an owner.")
    email = checked_email(clean_line(details.email, field="email", most=254), "email")
    if email is None:
        raise Invalid("An e-mail address is needed to sign in.", code="empty", field="email")
    agent.email = email
    agent.name = clean_line(details.name, field="name", most=80)
    agent.role = details.role
    if not 0 <= details.capacity <= MOST_CHATS:
        raise Invalid(f"A number from 0 to {MOST_CHATS}, please.", field="capacity")
    agent.capacity = details.capacity
    agent.skills = clean_skills(details.skills)
    agent.active = details.active


async def _lock_with_owners(session: AsyncSession, agent_id: UUID) -> list[UUID]:
    """Lock an agent and all active owners; return the owners.

    In id order, as everywhere: two owners cannot take each other's place away at once, nor deadlock.
    """
    is_owner = and_(Agent.role == Role.OWNER, Agent.active)
    rows = await session.execute(
        select(Agent.id, is_owner)
        .where(or_(is_owner, Agent.id == agent_id))
        .order_by(Agent.id)
        .with_for_update(key_share=True)
    )
    return [each for each, owns in rows if owns]


async def _set_teams(work: Work, agent: Agent, wanted: Iterable[TeamId]) -> None:
    session, wanted = work.session, set(wanted)
    had = set(await session.scalars(select(TeamMember.team_id).where(TeamMember.agent_id == agent.id)))
    known = set(await session.scalars(select(Team.id).where(Team.id.in_(wanted))))
    if known != wanted:
        raise Invalid("One of the teams does not exist any more.", field="team_ids")
    gone, new = had - wanted, wanted - had
    if gone:
        await session.execute(delete(TeamMember).where(TeamMember.agent_id == agent.id, TeamMember.team_id.in_(gone)))
    if new:
        await session.execute(insert(TeamMember), [{"team_id": team, "agent_id": agent.id} for team in new])
    for team in sorted(gone | new):
        work.record(TeamChanged(TeamId(team)))


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_agent_email_lower" not in str(error.orig):
            raise
        raise Conflict("Somebody has this e-mail address already.", code="in_use", field="email") from None
