"""/admin/teams: who answers together."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Conflict, DeskbellError, Invalid
from app.identity.access import AdminOnPage, CurrentAgent
from app.identity.advice import about_team
from app.identity.agents import all_agents
from app.identity.handing_out import HandingOut
from app.identity.models import Agent, Team
from app.identity.teams import all_teams, change_team, create_team, members, memberships, team_by_id
from app.ids import AgentId, TeamId
from app.infra.work import RequestWork
from app.pages.forms import Form, Posted, attempt
from app.pages.notices import go, notice_of
from app.pages.templates import day, page
from app.protocol.codes import ERRORS
from app.routing import hours
from app.routing.availability import Availability, availability

router = APIRouter(prefix="/admin/teams")

STRATEGIES = {
    "least_busy": ("Least busy", "Whoever has the most room gets the next chat."),
    "round_robin": ("In turn", "Whoever has gone longest without a new chat gets the next one."),
    "longest_idle": ("Longest idle", "Whoever began or finished a chat the longest ago gets the next one."),
    "manual": ("By hand", "Nobody is given a chat: agents take the next one from the line themselves."),
}
MODES = {
    "direct": ("Assigned at once", "The chat opens in the agent's console by itself."),
    "offer": ("Offered", "The agent has 20 seconds to accept; then somebody else is asked. Two missed: set away."),
}
BUSY = ("queue_limit", "overflow_team_id", "overflow_after_s", "choice_after_s")
HANDING = ("strategy", "mode", "share", "sticky_s")


@dataclass(frozen=True, slots=True)
class Draft:
    """The form's fields as they stand in it."""

    name: str = ""
    agent_ids: AbstractSet[str] = frozenset()
    open: str = "always"
    zone: str = ""
    week: tuple[str, ...] = ("9-17",) * 5 + ("", "")
    days_off: str = ""
    last_orders: str = "0"
    strategy: str = "least_busy"
    mode: str = "direct"
    share: str = ""
    sticky_s: str = "30"
    queue_limit: str = ""
    overflow_team_id: str = ""
    overflow_after_s: str = ""
    choice_after_s: str = "120"


@router.get("")
async def get_teams(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """List the teams."""
    teams = await all_teams(work.session)
    found = await memberships(work.session)
    return page(
        "teams_list.html",
        request,
        agent=agent,
        teams=teams,
        members=found,
        here={team.id: await availability(work.session, team.id, clock.now()) for team in teams},
        now_words=_now_words,
        strategies=STRATEGIES,
        advice={team.id: _advice(team, found) for team in teams},
        notice=notice_of(request),
    )


@router.get("/new")
async def get_new(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """Show an empty form."""
    return await _form(request, work.session, agent, Draft())


@router.post("/new")
async def post_new(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted) -> Response:
    """Create a team."""
    try:
        async with attempt(work):
            agents = [AgentId(each) for each in form.ids("agent_ids")]
            await create_team(work, form.text("name"), agents, _hours(form), _handing_out(form))
    except (Invalid, Conflict) as error:
        return await _form(request, work.session, agent, _as_typed(form), error=error)
    return go("/admin/teams", "created")


@router.get("/{team_id}")
async def get_team(request: Request, agent: AdminOnPage, work: RequestWork, team_id: UUID) -> Response:
    """Show a team's form."""
    team = await team_by_id(work.session, TeamId(team_id))
    people = await members(work.session, TeamId(team_id))
    return await _form(request, work.session, agent, _stored(team, {str(each.id) for each in people}), team)


@router.post("/{team_id}")
async def post_team(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted, team_id: UUID) -> Response:
    """Change a team."""
    try:
        async with attempt(work):
            agents = [AgentId(each) for each in form.ids("agent_ids")]
            await change_team(work, TeamId(team_id), form.text("name"), agents, _hours(form), _handing_out(form))
    except (Invalid, Conflict) as error:
        team = await team_by_id(work.session, TeamId(team_id))
        return await _form(request, work.session, agent, _as_typed(form), team, error)
    return go("/admin/teams", "saved")


def _now_words(team: Team, known: Availability) -> str:
    """Whether a team takes chats, and if its hours say no, until when: in its own time."""
    if known.now:
        return "Takes chats"
    if team.hours is None or known.opens_at is None:
        return "Nobody accepts chats"
    there = clock.from_ms(known.opens_at).astimezone(ZoneInfo(team.hours["zone"]))
    return f"Opens {there:%a %H:%M}" if there - clock.now() < timedelta(days=6) else f"Opens {day(there)}"


def _hours(form: Form) -> dict[str, Any] | None:
    if form.text("open") != "hours":
        return None
    week = [form.text(day) for day in hours.DAYS]
    return hours.to_json(hours.parsed(form.text("zone").strip(), week, form.text("days_off"), form.text("last_orders")))


def _handing_out(form: Form) -> HandingOut:
    return HandingOut(
        strategy=form.text("strategy") or "least_busy",
        mode=form.text("mode") or "direct",
        share=form.number_or_none("share"),
        queue_limit=form.number_or_none("queue_limit"),
        overflow_team_id=form.id("overflow_team_id"),
        overflow_after_s=form.number_or_none("overflow_after_s"),
        choice_after_s=form.number_or_none("choice_after_s"),
        sticky_s=form.number_or_none("sticky_s"),
    )


def _stored(team: Team, agent_ids: AbstractSet[str]) -> Draft:
    draft = _with_queue(Draft(team.name, agent_ids), lambda name: _shown(getattr(team, name)))
    if team.hours is None:
        return draft
    stored = hours.from_json(team.hours)
    return replace(
        draft,
        open="hours",
        zone=stored.zone,
        week=tuple(", ".join(map(str, day)) for day in stored.week),
        days_off="\n".join(f"{day} {remark}".rstrip() for day, remark in stored.days_off.items()),
        last_orders=str(stored.last_orders),
    )


def _as_typed(form: Form) -> Draft:
    draft = Draft(
        form.text("name"),
        set(form.texts("agent_ids")),
        form.text("open"),
        form.text("zone"),
        tuple(form.text(day) for day in hours.DAYS),
        form.text("days_off"),
        form.text("last_orders"),
    )
    return _with_queue(draft, form.text)


def _with_queue(draft: Draft, text_of: Callable[[str], str]) -> Draft:
    return replace(draft, **{name: text_of(name) for name in (*HANDING, *BUSY)})


def _shown(value: object) -> str:
    return "" if value is None else str(value)


async def _form(
    request: Request,
    session: AsyncSession,
    agent: CurrentAgent,
    draft: Draft,
    team: Team | None = None,
    error: DeskbellError | None = None,
) -> Response:
    agents = [each for each in await all_agents(session) if each.active or str(each.id) in draft.agent_ids]
    teams = await all_teams(session)
    advice = _advice(team, await memberships(session)) if team else []
    return page(
        "team_form.html",
        request,
        status=ERRORS.get(error.code) or 422 if error else 200,
        agent=agent,
        team=team,
        draft=draft,
        action=f"/admin/teams/{team.id}" if team else "/admin/teams/new",
        advice=advice,
        strategies=[(name, *words) for name, words in STRATEGIES.items()],
        modes=[(name, *words) for name, words in MODES.items()],
        handing_out=HANDING,
        busy=BUSY,
        now_handed=_handed_words(draft),
        now_busy=_busy_words(draft, {str(each.id): each.name for each in teams}),
        others=[("", "Nobody"), *((each.id, each.name) for each in teams if team is None or each.id != team.id)],
        days=hours.DAYS,
        zones=sorted(available_timezones()),
        agents=[(each.id, each.name, _remark(each.capacity, each.active)) for each in agents],
        error=error,
    )


def _advice(team: Team, found: dict[TeamId, list[Agent]]) -> list[str]:
    takes_over = found.get(TeamId(team.overflow_team_id), []) if team.overflow_team_id else []
    return about_team(team, found.get(TeamId(team.id), []), takes_over)


def _handed_words(draft: Draft) -> str:
    """What a closed group of settings says in one line."""
    strategy, _ = STRATEGIES.get(draft.strategy, ("", ""))
    mode, _ = MODES.get(draft.mode, ("", ""))
    return strategy if draft.strategy == "manual" else f"{strategy} · {mode.lower()}"


def _busy_words(draft: Draft, names: dict[str, str]) -> str:
    words = [f"at most {draft.queue_limit} wait"] if draft.queue_limit else []
    if draft.overflow_team_id in names:
        words.append(f"then {names[draft.overflow_team_id]}")
    if draft.choice_after_s:
        words.append(f"a choice after {draft.choice_after_s} s")
    return " · ".join(words) or "visitors wait for as long as they like"


def _remark(capacity: int, active: bool) -> str:
    return f"{capacity} at once" if active else "switched off"
