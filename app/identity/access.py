"""Who is asking. An endpoint's parameters name what it needs; that is its authorisation.

    SignedIn       any active agent (401 without a session)
    SupervisorUp   supervisors, admins and owners (403 for others)
    AdminOnly      admins and owners
    OnPage, …      the same for HTML pages: without a session one is sent to /sign-in and back
    OwnOrigin      no session needed, but the request comes from one of our own pages

Methods other than GET, HEAD and OPTIONS must come from our own pages (exact `Origin`), session or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import select

from app import clock
from app.errors import Forbidden, Unauthorized
from app.identity.models import TeamMember
from app.identity.origins import own_origins
from app.identity.permissions import May, Role, may
from app.identity.sessions import live_session
from app.ids import AgentId, TeamId
from app.infra.work import RequestWork, Work

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class CurrentAgent:
    """The agent who is asking."""

    id: AgentId
    name: str
    email: str
    role: Role
    session_id: UUID
    team_ids: frozenset[TeamId]

    def may(self, what: May) -> bool:
        """Tell whether this agent's role allows something."""
        return may(self.role, what)


class SignInFirst(Unauthorized):
    """A page was asked for without a session: answered with a redirect to the sign-in page."""

    def __init__(self, back: str) -> None:
        super().__init__()
        self.location = f"/sign-in?next={quote(back, safe='/')}"


def cookie_name(public_url: str) -> str:
    """Return the session cookie's name. `__Host-` makes browsers insist on Secure, Path=/ and no Domain."""
    return "__Host-deskbell" if public_url.startswith("https://") else "deskbell"


def require_own_origin(request: Request) -> None:
    """Refuse an unsafe request that does not come from one of our own pages.

    Raises:
        Forbidden: `Origin` is missing or foreign, or `Sec-Fetch-Site` is there and is not `same-origin`.
    """
    if request.method in SAFE_METHODS:
        return
    settings = request.app.state.settings
    fetch_site = request.headers.get("sec-fetch-site", "same-origin")
    own = own_origins(settings.public_url, settings.console_origins)
    if request.headers.get("origin") not in own or fetch_site != "same-origin":
        raise Forbidden(f"This did not come from a page of {settings.public_url}. Open Deskbell there and try again.")


async def current_agent(request: Request, work: Work) -> CurrentAgent:
    """Return the agent whose session cookie a request carries.

    Raises:
        Unauthorized: no session, or one that has ended.
        Forbidden: an unsafe request from elsewhere.
    """
    token = request.cookies.get(cookie_name(request.app.state.settings.public_url))
    if not token:
        raise Unauthorized
    require_own_origin(request)
    live = await live_session(work.session, clock.now(), token=token)
    if live is None:
        raise Unauthorized
    agent = live.agent
    teams = await work.session.scalars(select(TeamMember.team_id).where(TeamMember.agent_id == agent.id))
    return CurrentAgent(
        id=AgentId(agent.id),
        name=agent.name,
        email=agent.email,
        role=Role(agent.role),
        session_id=live.session.id,
        team_ids=frozenset(TeamId(team) for team in teams),
    )


async def signed_in(request: Request, work: RequestWork) -> CurrentAgent:
    """The dependency behind `SignedIn`."""
    return await current_agent(request, work)


async def on_page(request: Request, work: RequestWork) -> CurrentAgent:
    """The dependency behind `OnPage`."""
    try:
        return await current_agent(request, work)
    except Unauthorized:
        query = f"?{request.url.query}" if request.url.query else ""
        # After a lost form there is nothing to come back to but the page's own section.
        back = request.url.path + query if request.method == "GET" else "/admin"
        raise SignInFirst(back) from None


SignedIn = Annotated[CurrentAgent, Depends(signed_in)]
OnPage = Annotated[CurrentAgent, Depends(on_page)]


def supervisor_up(agent: SignedIn) -> CurrentAgent:
    """The dependency behind `SupervisorUp`."""
    return _allowed(agent, May.READ_RATINGS)


def admin_only(agent: SignedIn) -> CurrentAgent:
    """The dependency behind `AdminOnly`."""
    return _allowed(agent, May.MANAGE_SITES)


def supervisor_on_page(agent: OnPage) -> CurrentAgent:
    """The dependency behind `SupervisorOnPage`."""
    return _allowed(agent, May.READ_RATINGS)


def admin_on_page(agent: OnPage) -> CurrentAgent:
    """The dependency behind `AdminOnPage`."""
    return _allowed(agent, May.MANAGE_SITES)


SupervisorUp = Annotated[CurrentAgent, Depends(supervisor_up)]
AdminOnly = Annotated[CurrentAgent, Depends(admin_only)]
SupervisorOnPage = Annotated[CurrentAgent, Depends(supervisor_on_page)]
AdminOnPage = Annotated[CurrentAgent, Depends(admin_on_page)]
OwnOrigin = Depends(require_own_origin)


def _allowed(agent: CurrentAgent, what: May) -> CurrentAgent:
    if not agent.may(what):
        raise Forbidden("Your role does not allow this. Ask an admin.")
    return agent
