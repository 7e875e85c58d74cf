"""/admin/agents: the people who answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Conflict, DeskbellError, Forbidden, Invalid
from app.identity.access import AdminOnPage, CurrentAgent
from app.identity.advice import about_agent
from app.identity.agents import (
    AgentDetails,
    agent_by_id,
    all_agents,
    change_agent,
    checked_password,
    create_agent,
    known_skills,
    set_password,
)
from app.identity.models import Agent
from app.identity.permissions import Role, grantable, may_change
from app.identity.teams import all_teams, memberships, teams_of
from app.ids import AgentId, TeamId
from app.infra.passwords import hash_password, readable_password
from app.infra.work import RequestWork
from app.pages.forms import Form, Posted, attempt
from app.pages.notices import go, notice_of
from app.pages.templates import page
from app.protocol.codes import ERRORS

router = APIRouter(prefix="/admin/agents")

ROLES = {
    Role.AGENT: ("Agent", "Answers, and keeps personal replies."),
    Role.SUPERVISOR: ("Supervisor", "Also takes over and assigns the team's chats, edits its replies, reads ratings."),
    Role.ADMIN: ("Admin", "Also manages agents, teams and sites."),
    Role.OWNER: ("Owner", "Also manages other owners."),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """The form's fields as they stand in it."""

    name: str = ""
    email: str = ""
    role: str = "agent"
    capacity: str = "4"
    skills: str = ""
    active: bool = True
    team_ids: frozenset[str] = field(default_factory=frozenset[str])
    password: str = ""


@router.get("")
async def get_agents(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """List everybody."""
    agents = await all_agents(work.session)
    teams: dict[UUID, list[str]] = {each.id: [] for each in agents}
    members = await memberships(work.session)
    for team in await all_teams(work.session):
        for each in members.get(TeamId(team.id), []):
            teams[each.id].append(team.name)
    advice = {each.id: about_agent(each) for each in agents}
    return page(
        "agents_list.html",
        request,
        agent=agent,
        agents=agents,
        teams=teams,
        advice=advice,
        notice=notice_of(request),
    )


@router.get("/new")
async def get_new(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """Show an empty form with a password to hand over."""
    teams = await all_teams(work.session)
    only = frozenset(str(team.id) for team in teams) if len(teams) == 1 else frozenset[str]()
    return await _form(request, work.session, agent, Draft(password=readable_password(), team_ids=only))


@router.post("/new")
async def post_new(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted) -> Response:
    """Create an agent."""
    try:
        details = _details(form, active=True)
        hashed = await hash_password(checked_password(form.text("password")))
        async with attempt(work):
            await create_agent(work, agent.role, details, hashed)
    except (Invalid, Conflict, Forbidden) as error:
        return await _form(request, work.session, agent, _as_typed(form), error=error)
    return go("/admin/agents", "created")


@router.get("/{agent_id}")
async def get_agent(request: Request, agent: AdminOnPage, work: RequestWork, agent_id: UUID) -> Response:
    """Show an agent's form."""
    subject = await agent_by_id(work.session, AgentId(agent_id))
    return await _form(request, work.session, agent, await _stored(work.session, subject), subject)


@router.post("/{agent_id}")
async def post_agent(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted, agent_id: UUID) -> Response:
    """Change an agent."""
    try:
        async with attempt(work):
            details = _details(form, active=form.flag("active"))
            await change_agent(work, agent.role, AgentId(agent_id), details, clock.now())
    except (Invalid, Conflict, Forbidden) as error:
        subject = await agent_by_id(work.session, AgentId(agent_id))
        return await _form(request, work.session, agent, _as_typed(form), subject, error)
    return go("/admin/agents", "saved")


@router.post("/{agent_id}/password")
async def post_password(
    request: Request, agent: AdminOnPage, work: RequestWork, form: Posted, agent_id: UUID
) -> Response:
    """Give an agent another password."""
    try:
        hashed = await hash_password(checked_password(form.text("new_password"), field="new_password"))
        async with attempt(work):
            await set_password(work, agent.role, AgentId(agent_id), hashed, clock.now())
    except (Invalid, Conflict, Forbidden) as error:
        subject = await agent_by_id(work.session, AgentId(agent_id))
        return await _form(request, work.session, agent, await _stored(work.session, subject), subject, error)
    return go(f"/admin/agents/{agent_id}", "password")


def _details(form: Form, *, active: bool) -> AgentDetails:
    try:
        role = Role(form.text("role"))
    except ValueError:
        raise Invalid("Choose a role.", field="role") from None
    return AgentDetails(
        email=form.text("email"),
        name=form.text("name"),
        role=role,
        capacity=form.number("capacity"),
        team_ids=frozenset(TeamId(team) for team in form.ids("team_ids")),
        active=active,
        skills=form.text("skills"),
    )


async def _stored(session: AsyncSession, subject: Agent) -> Draft:
    teams = await teams_of(session, AgentId(subject.id))
    return Draft(
        name=subject.name,
        email=subject.email,
        role=subject.role,
        capacity=str(subject.capacity),
        skills=", ".join(subject.skills),
        active=subject.active,
        team_ids=frozenset(str(team.id) for team in teams),
    )


def _as_typed(form: Form) -> Draft:
    return Draft(
        name=form.text("name"),
        email=form.text("email"),
        role=form.text("role"),
        capacity=form.text("capacity"),
        skills=form.text("skills"),
        active=form.flag("active"),
        team_ids=frozenset(form.texts("team_ids")),
        password=form.text("password"),
    )


async def _form(
    request: Request,
    session: AsyncSession,
    agent: CurrentAgent,
    draft: Draft,
    subject: Agent | None = None,
    error: DeskbellError | None = None,
) -> Response:
    editable = subject is None or may_change(agent.role, Role(subject.role))
    roles = [(role.value, *ROLES[role]) for role in Role if role in grantable(agent.role) or role == draft.role]
    return page(
        "agent_form.html",
        request,
        status=ERRORS.get(error.code) or 422 if error else 200,
        agent=agent,
        subject=subject,
        editable=editable,
        advice=about_agent(subject) if subject else [],
        known_skills=await known_skills(session),
        draft=draft,
        action=f"/admin/agents/{subject.id}" if subject else "/admin/agents/new",
        roles=roles,
        teams=[(team.id, team.name, "") for team in await all_teams(session)],
        notice=notice_of(request),
        error=error,
    )
