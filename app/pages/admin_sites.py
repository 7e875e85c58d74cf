"""/admin/sites: the websites that carry the widget."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, DeskbellError, Invalid
from app.identity.access import AdminOnPage, CurrentAgent
from app.identity.advice import about_site
from app.identity.agents import known_skills
from app.identity.models import Agent, Site, Team
from app.identity.sites import (
    ACCENT,
    SiteDetails,
    all_sites,
    change_site,
    create_site,
    rotate_identity_secret,
    site_by_id,
)
from app.identity.teams import all_teams, memberships
from app.ids import SiteId, TeamId
from app.infra.work import RequestWork
from app.pages.forms import Form, Posted, attempt
from app.pages.notices import go, notice_of
from app.pages.templates import page
from app.protocol.codes import ERRORS

router = APIRouter(prefix="/admin/sites")


@dataclass(frozen=True, slots=True)
class Draft:
    """The form's fields as they stand in it."""

    name: str = ""
    origins: str = ""
    greeting: str = "Hello! How can we help?"
    accent: str = ACCENT
    pre_chat: str = "optional"
    team_id: str = ""
    locale: str = "en"
    skills: str = ""
    by_language: bool = False
    boost_s: str = "0"

    @property
    def accent_ok(self) -> bool:
        """Whether the colour is one that a browser's picker can show."""
        return re.fullmatch(r"#[0-9a-f]{6}", self.accent) is not None


@router.get("")
async def get_sites(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """List the sites."""
    sites = await all_sites(work.session)
    teams = {team.id: team for team in await all_teams(work.session)}
    found = await memberships(work.session)
    return page(
        "sites_list.html",
        request,
        agent=agent,
        sites=sites,
        teams=teams,
        advice={site.id: _advice(site, teams, found) for site in sites},
        notice=notice_of(request),
    )


@router.get("/new")
async def get_new(request: Request, agent: AdminOnPage, work: RequestWork) -> Response:
    """Show an empty form."""
    return await _form(request, work.session, agent, Draft())


@router.post("/new")
async def post_new(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted) -> Response:
    """Create a site."""
    try:
        async with attempt(work):
            site = await create_site(work, _details(form))
    except (Invalid, Conflict) as error:
        return await _form(request, work.session, agent, _as_typed(form), error=error)
    return go(f"/admin/sites/{site.id}", "created")


@router.get("/{site_id}")
async def get_site(request: Request, agent: AdminOnPage, work: RequestWork, site_id: UUID) -> Response:
    """Show a site's form, with what to paste into the website."""
    site = await site_by_id(work.session, SiteId(site_id))
    return await _form(request, work.session, agent, _stored(site), site)


@router.post("/{site_id}")
async def post_site(request: Request, agent: AdminOnPage, work: RequestWork, form: Posted, site_id: UUID) -> Response:
    """Change a site."""
    try:
        async with attempt(work):
            await change_site(work, SiteId(site_id), _details(form))
    except (Invalid, Conflict) as error:
        site = await site_by_id(work.session, SiteId(site_id))
        return await _form(request, work.session, agent, _as_typed(form), site, error)
    return go(f"/admin/sites/{site_id}", "saved")


@router.post("/{site_id}/secret/reveal")
async def post_reveal(request: Request, agent: AdminOnPage, work: RequestWork, site_id: UUID) -> Response:
    """Show the identity secret. A POST, so that it stands in no history and no other page can ask for it."""
    site = await site_by_id(work.session, SiteId(site_id))
    return await _form(request, work.session, agent, _stored(site), site, secret=site.identity_secret)


@router.post("/{site_id}/secret/rotate")
async def post_rotate(agent: AdminOnPage, work: RequestWork, site_id: UUID) -> Response:
    """Make a new identity secret."""
    await rotate_identity_secret(work, SiteId(site_id))
    return go(f"/admin/sites/{site_id}", "rotated")


def _details(form: Form) -> SiteDetails:
    team_id = form.id("team_id")
    if team_id is None:
        raise Invalid("Choose a team.", field="team_id")
    return SiteDetails(
        name=form.text("name"),
        team_id=TeamId(team_id),
        origins=form.text("origins").split(),
        greeting=form.text("greeting"),
        accent=form.text("accent"),
        pre_chat=form.text("pre_chat"),
        locale=form.text("locale").strip(),
        skills=form.text("skills"),
        by_language=form.flag("by_language"),
        boost_s=form.number_or_none("boost_s") or 0,
    )


def _stored(site: Site) -> Draft:
    return Draft(
        name=site.name,
        origins="\n".join(site.origins),
        greeting=site.greeting,
        accent=site.accent,
        pre_chat=site.pre_chat,
        team_id=str(site.team_id),
        locale=site.locale,
        skills=", ".join(site.skills),
        by_language=site.by_language,
        boost_s=str(site.boost_s),
    )


def _advice(site: Site, teams: dict[UUID, Team], found: dict[TeamId, list[Agent]]) -> list[str]:
    team = teams.get(site.team_id)
    overflow_id = team.overflow_team_id if team else None
    takes_over = found.get(TeamId(overflow_id), []) if overflow_id else []
    return about_site(site, team, found.get(TeamId(site.team_id), []), takes_over)


def _asked_words(draft: Draft) -> str:
    """What the closed group of settings says in one line."""
    words = [draft.skills or "everybody of the team"]
    if draft.by_language:
        words.append("by language")
    if draft.boost_s not in ("", "0"):
        words.append(f"{draft.boost_s} s head start")
    return " · ".join(words)


def _as_typed(form: Form) -> Draft:
    return Draft(
        name=form.text("name"),
        origins=form.text("origins"),
        greeting=form.text("greeting"),
        accent=form.text("accent"),
        pre_chat=form.text("pre_chat"),
        team_id=form.text("team_id"),
        locale=form.text("locale"),
        skills=form.text("skills"),
        by_language=form.flag("by_language"),
        boost_s=form.text("boost_s"),
    )


async def _form(
    request: Request,
    session: AsyncSession,
    agent: CurrentAgent,
    draft: Draft,
    site: Site | None = None,
    error: DeskbellError | None = None,
    secret: str | None = None,
) -> Response:
    public_url: str = request.app.state.settings.public_url
    teams = {team.id: team for team in await all_teams(session)}
    return page(
        "site_form.html",
        request,
        status=ERRORS.get(error.code) or 422 if error else 200,
        agent=agent,
        site=site,
        draft=draft,
        action=f"/admin/sites/{site.id}" if site else "/admin/sites/new",
        teams=[(team.id, team.name) for team in teams.values()],
        advice=_advice(site, teams, await memberships(session)) if site else [],
        now_asked=_asked_words(draft),
        known_skills=await known_skills(session),
        snippet=f'<script async src="{public_url}/widget.js" data-site="{site.key}"></script>' if site else "",
        csp=f"script-src {public_url}; frame-src {public_url}",
        secret=secret,
        notice=notice_of(request),
        error=error,
    )
