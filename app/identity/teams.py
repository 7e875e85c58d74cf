"""Teams: groups of agents with one queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, Invalid, NotFound
from app.identity.events import AgentChanged, TeamChanged
from app.identity.handing_out import HandingOut, set_handing_out
from app.identity.models import Agent, Team, TeamMember
from app.ids import AgentId, TeamId
from app.infra.work import Work
from app.text import clean_line


async def team_by_id(session: AsyncSession, team_id: TeamId) -> Team:
    """Return a team.

    Raises:
        NotFound: there is none.
    """
    team = await session.get(Team, team_id)
    if team is None:
        raise NotFound
    return team


async def all_teams(session: AsyncSession) -> Sequence[Team]:
    """Return every team by name."""
    return (await session.scalars(select(Team).order_by(func.lower(Team.name), Team.id))).all()


async def teams_of(session: AsyncSession, agent_id: AgentId) -> Sequence[Team]:
    """Return an agent's teams by name."""
    query = select(Team).join(TeamMember, TeamMember.team_id == Team.id).where(TeamMember.agent_id == agent_id)
    return (await session.scalars(query.order_by(func.lower(Team.name), Team.id))).all()


async def team_ids_of(session: AsyncSession, agent_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """Return the teams of agents; who is in none is left out."""
    rows = await session.execute(
        select(TeamMember.agent_id, TeamMember.team_id).where(TeamMember.agent_id.in_(agent_ids))
    )
    teams: dict[UUID, set[UUID]] = {}
    for agent_id, team_id in rows:
        teams.setdefault(agent_id, set()).add(team_id)
    return teams


async def members(session: AsyncSession, team_id: TeamId) -> Sequence[Agent]:
    """Return a team's agents, active or not, by name."""
    query = select(Agent).join(TeamMember, TeamMember.agent_id == Agent.id).where(TeamMember.team_id == team_id)
    return (await session.scalars(query.order_by(func.lower(Agent.name), Agent.id))).all()


async def memberships(session: AsyncSession) -> dict[TeamId, list[Agent]]:
    """Return the agents of every team that has any, by name."""
    query = select(TeamMember.team_id, Agent).join(Agent, Agent.id == TeamMember.agent_id)
    found: dict[TeamId, list[Agent]] = {}
    for team_id, agent in await session.execute(query.order_by(func.lower(Agent.name), Agent.id)):
        found.setdefault(TeamId(team_id), []).append(agent)
    return found


async def create_team(
    work: Work,
    name: str,
    agents: Iterable[AgentId] = (),
    hours: dict[str, Any] | None = None,
    handing_out: HandingOut | None = None,
) -> Team:
    """Create a team.

    Args:
        hours: when it is there, as `app.routing.hours.to_json` writes it; None for always.
        handing_out: how it hands out its chats; None for the usual way.

    Raises:
        Invalid: the name or a setting is wrong, or one of the agents does not exist.
        Conflict: `in_use`, the name is taken.
    """
    team = Team(name=clean_line(name, field="name", most=80), hours=hours)
    work.session.add(team)
    await _flush(work.session)
    await set_handing_out(work.session, team, handing_out or HandingOut())
    await _set_members(work, TeamId(team.id), agents)
    work.record(TeamChanged(TeamId(team.id)))
    return team


async def change_team(
    work: Work,
    team_id: TeamId,
    name: str,
    agents: Iterable[AgentId],
    hours: dict[str, Any] | None = None,
    handing_out: HandingOut | None = None,
) -> Team:
    """Give a team another name, other members, other hours and another way to hand out its chats.

    Args:
        handing_out: None leaves it as it is.

    Raises:
        NotFound, Invalid, Conflict: as above.
    """
    team = await team_by_id(work.session, team_id)
    team.name = clean_line(name, field="name", most=80)
    team.hours = hours
    await _flush(work.session)
    differs = handing_out is not None and await set_handing_out(work.session, team, handing_out)
    await _set_members(work, team_id, agents, all_of_them=differs)
    work.record(TeamChanged(team_id))
    return team


async def _set_members(work: Work, team_id: TeamId, agents: Iterable[AgentId], *, all_of_them: bool = False) -> None:
    """Make these agents the members. What else may have a copy of an agent is told whose place is another now.

    Args:
        all_of_them: those who stay have another place, too.
    """
    session, wanted = work.session, set(agents)
    had = set(await session.scalars(select(TeamMember.agent_id).where(TeamMember.team_id == team_id)))
    known = set(await session.scalars(select(Agent.id).where(Agent.id.in_(wanted))))
    if known != wanted:
        raise Invalid("One of the agents does not exist any more.", field="agent_ids")
    gone, new = had - wanted, wanted - had
    if gone:
        await session.execute(delete(TeamMember).where(TeamMember.team_id == team_id, TeamMember.agent_id.in_(gone)))
    if new:
        await session.execute(insert(TeamMember), [{"team_id": team_id, "agent_id": agent} for agent in new])
    concerned = had | wanted if all_of_them else gone | new
    if concerned:
        # In the order in which everybody locks agents.
        await session.execute(
            select(Agent.id).where(Agent.id.in_(concerned)).order_by(Agent.id).with_for_update(key_share=True)
        )
        await session.execute(update(Agent).where(Agent.id.in_(concerned)).values(rev=Agent.rev + 1))
    for agent in sorted(concerned):
        work.record(AgentChanged(AgentId(agent)))


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_team_name_lower" not in str(error.orig):
            raise
        raise Conflict("There is a team of this name already.", code="in_use", field="name") from None
