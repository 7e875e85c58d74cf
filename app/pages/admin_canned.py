"""/admin/canned: the library of canned replies."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.canned.library import (
    SCOPES,
    Draft,
    Entry,
    change_reply,
    create_reply,
    delete_reply,
    manageable_replies,
    may_edit,
    reply_for,
)
from app.errors import Conflict, DeskbellError, Forbidden, Invalid
from app.identity.access import CurrentAgent, OnPage
from app.identity.permissions import May
from app.identity.sites import all_sites
from app.identity.teams import all_teams, teams_of
from app.ids import TeamId
from app.infra.work import RequestWork
from app.pages.forms import Form, Posted, attempt
from app.pages.notices import go, notice_of
from app.pages.templates import page
from app.protocol.codes import ERRORS

router = APIRouter(prefix="/admin/canned")

VARIABLES = (
    ("visitor.name", "Visitor's name"),
    ("agent.name", "Agent's name"),
    ("site.name", "Site's name"),
    ("conversation.id", "Chat number"),
)


@router.get("")
async def get_replies(request: Request, agent: OnPage, work: RequestWork, q: str = "", scope: str = "") -> Response:
    """List the replies that the agent can see, narrowed by words and scope."""
    words = q.replace("\x00", "").strip()[:200]
    scope = scope if scope in SCOPES else ""
    entries = await manageable_replies(work.session, agent, words=words, scope=scope)
    return page(
        "canned_list.html",
        request,
        agent=agent,
        entries=entries,
        words=words,
        scope=scope,
        notice=notice_of(request),
    )


@router.get("/new")
async def get_new(request: Request, agent: OnPage, work: RequestWork) -> Response:
    """Show an empty form."""
    draft = Draft(scope="everyone" if agent.may(May.EDIT_ALL_REPLIES) else "personal", title="", shortcut="", body="")
    return await _form(request, work.session, agent, draft)


@router.post("/new")
async def post_new(request: Request, agent: OnPage, work: RequestWork, form: Posted) -> Response:
    """Create a reply."""
    try:
        async with attempt(work):
            await create_reply(work.session, agent, _draft(form))
    except (Invalid, Conflict, Forbidden) as error:
        return await _form(request, work.session, agent, _as_typed(form), error=error)
    return go("/admin/canned", "created")


@router.get("/{reply_id}")
async def get_reply(request: Request, agent: OnPage, work: RequestWork, reply_id: UUID) -> Response:
    """Show a reply's form."""
    entry = await reply_for(work.session, agent, reply_id)
    row = entry.reply
    draft = Draft(row.scope, row.title, row.shortcut, row.body, TeamId(row.team_id) if row.team_id else None)
    return await _form(request, work.session, agent, draft, entry)


@router.post("/{reply_id}")
async def post_reply(request: Request, agent: OnPage, work: RequestWork, form: Posted, reply_id: UUID) -> Response:
    """Change a reply."""
    try:
        async with attempt(work):
            await change_reply(work.session, agent, reply_id, _draft(form), form.number("version"))
    except (Invalid, Conflict, Forbidden) as error:
        entry = await reply_for(work.session, agent, reply_id)
        return await _form(request, work.session, agent, _as_typed(form), entry, error)
    return go("/admin/canned", "saved")


@router.post("/{reply_id}/delete")
async def post_delete(agent: OnPage, work: RequestWork, reply_id: UUID) -> Response:
    """Delete a reply."""
    await delete_reply(work.session, agent, reply_id)
    return go("/admin/canned", "deleted")


def _draft(form: Form) -> Draft:
    team_id = form.id("team_id") if form.text("scope") == "team" else None
    return Draft(
        scope=form.text("scope"),
        title=form.text("title"),
        shortcut=form.text("shortcut"),
        body=form.text("body"),
        team_id=TeamId(team_id) if team_id else None,
    )


def _as_typed(form: Form) -> Draft:
    """Return what was typed even where it is wrong, so that nobody types it again."""
    try:
        return _draft(form)
    except Invalid:
        return Draft(form.text("scope"), form.text("title"), form.text("shortcut"), form.text("body"))


async def _form(
    request: Request,
    session: AsyncSession,
    agent: CurrentAgent,
    draft: Draft,
    entry: Entry | None = None,
    error: DeskbellError | None = None,
) -> Response:
    everything = agent.may(May.EDIT_ALL_REPLIES)
    teams = await all_teams(session) if everything else await teams_of(session, agent.id)
    sites = await all_sites(session)
    reply = entry.reply if entry else None
    editable = reply is None or may_edit(agent, reply)
    scopes = [("personal", _only_whom(agent, entry))]
    if (everything or agent.may(May.EDIT_TEAM_REPLIES) or draft.scope == "team") and teams:
        scopes.append(("team", "A team"))
    if everything or draft.scope == "everyone":
        scopes.append(("everyone", "Everyone"))
    return page(
        "canned_form.html",
        request,
        status=ERRORS.get(error.code) or 422 if error else 200,
        agent=agent,
        draft=draft,
        reply=reply,
        editable=editable,
        version=reply.version if reply else 0,
        action=f"/admin/canned/{reply.id}" if reply else "/admin/canned/new",
        scopes=scopes,
        teams=[(team.id, team.name) for team in teams],
        variables=VARIABLES,
        samples={
            "visitor.name": "Vera",
            "agent.name": agent.name,
            "site.name": sites[0].name if sites else "Your site",
            "conversation.id": "01a20224",
        },
        error=error,
    )


def _only_whom(agent: CurrentAgent, entry: Entry | None) -> str:
    if entry is None or entry.owner is None or entry.reply.agent_id == agent.id:
        return "Only me"
    return f"Only {entry.owner}"
