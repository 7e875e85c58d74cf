"""/admin/teams: who answers together."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, DeskbellError, Invalid
from app.identity.access import AdminOnPage, CurrentAgent
from app.identity.agents import all_agents
from app.identity.models import Team
from app.identity.teams import all_teams, change_team, create_team, members, memberships, team_by_id
from app.ids import AgentId, TeamId
from app.infra.work import RequestWork
from app.pages.forms import Form, Posted, attempt
from app.pages.notices import go, notice_of
from app.pages.templates import page
from app.protocol.codes import ERRORS

router = APIRouter(prefix="/admin/teams")


@dataclass(frozen=True, slots=True)
class Draft:
    """The form's fields as they stand in it."""

    name: str
    agent_ids: AbstractSet[str]


@router.get("")
async def get_teams(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """List the teams."""
    teams = await all_teams(work.session)
    found = await memberships(work.session)
    return page("teams_list.html", request, agent=agent, teams=teams, members=found, notice=notice_of(request))


@router.get("/new")
async def get_new(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """Show an empty form."""
    return await _form(request, work.session, agent, Draft("", frozenset()))


@router.post("/new")
async def post_new(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted) -> Response:
    """Create a team."""
    try:
        async with attempt(work):
            await create_team(work, form.text("name"), [AgentId(each) for each in form.ids("agent_ids")])
    except (Invalid, Conflict) as error:
        return await _form(request, work.session, agent, _as_typed(form), error=error)
    return go("/admin/teams", "created")


@router.get("/{team_id}")
async def get_team(request: Request, agent: AdminOnPage, work: RequestWork, team_id: UUID) -> Response:
    """Show a team's form."""
    team = await team_by_id(work.session, TeamId(team_id))
    people = await members(work.session, TeamId(team_id))
    return await _form(request, work.session, agent, Draft(team.name, {str(each.id) for each in people}), team)


@router.post("/{team_id}")
async def post_team(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted, team_id: UUID) -> Response:
    """Change a team."""
    try:
        async with attempt(work):
            agents = [AgentId(each) for each in form.ids("agent_ids")]
            await change_team(work, TeamId(team_id), form.text("name"), agents)
    except (Invalid, Conflict) as error:
        team = await team_by_id(work.session, TeamId(team_id))
        return await _form(request, work.session, agent, _as_typed(form), team, error)
    return go("/admin/teams", "saved")


def _as_typed(form: Form) -> Draft:
    return Draft(form.text("name"), set(form.texts("agent_ids")))


async def _form(
    request: Request,
    session: AsyncSession,
    agent: CurrentAgent,
    draft: Draft,
    team: Team | None = None,
    error: DeskbellError | None = None,
) -> Response:
    agents = [each for each in await all_agents(session) if each.active or str(each.id) in draft.agent_ids]
    return page(
        "team_form.html",
        request,
        status=ERRORS.get(error.code) or 422 if error else 200,
        agent=agent,
        team=team,
        draft=draft,
        action=f"/admin/teams/{team.id}" if team else "/admin/teams/new",
        agents=[(each.id, each.name, _remark(each.capacity, each.active)) for each in agents],
        error=error,
    )


def _remark(capacity: int, active: bool) -> str:
    return f"{capacity} at once" if active else "switched off"
