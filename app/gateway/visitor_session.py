"""The visitor's way in: a token, their site's look, and whether anybody is there."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from app import clock
from app.chat.heads import visitor_row
from app.contacts.models import Visitor
from app.contacts.visitors import new_visitor, verified_visitor, visitor_of_claim
from app.errors import Unauthorized
from app.identity.access import OwnOrigin
from app.identity.models import Site
from app.identity.schemas import SealedUser, SignedUser
from app.identity.sites import site_by_key
from app.identity.tokens import VisitorClaim, issue_visitor_token, read_visitor_token, verify_site_identity
from app.ids import SiteId, VisitorId
from app.infra.limits import Limit
from app.infra.work import RequestWork, Work
from app.routing.availability import availability

router = APIRouter()

NEW_VISITORS = Limit("new_visitors", 30, 60)
"""By address. An office shares one: the widget says why when it is reached."""


class SessionRequest(BaseModel):
    """What the widget knows: the site's key, the token it kept, the site's word for who the visitor is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Annotated[str, Field(min_length=1, max_length=64)]
    token: Annotated[str, Field(max_length=4096)] | None = None
    user: SignedUser | SealedUser | None = None


class VisitorRef(BaseModel):
    """The visitor as they know themselves."""

    id: str
    name: str | None
    email: str | None
    verified: bool


class SiteLook(BaseModel):
    """What the widget shows of a site."""

    key: str
    name: str
    greeting: str
    accent: str
    pre_chat: Literal["off", "optional", "required"]
    locale: str


class ConversationRef(BaseModel):
    """The visitor's conversation, if they have one."""

    c: str
    state: str


class SessionReply(BaseModel):
    """A visitor's session."""

    token: str
    expires_at: int
    visitor: VisitorRef
    site: SiteLook
    available: bool
    opens_at: int | None
    full: bool
    conversation: ConversationRef | None


@router.post("/api/widget/session", dependencies=[OwnOrigin])
async def post_session(request: Request, work: RequestWork, body: SessionRequest) -> SessionReply:
    """Give a visitor a token: the same person's again if theirs still counts, else a new one's."""
    state = request.app.state
    claim = _claim(state.secret, body.token)
    if claim is None and body.user is None:
        # Before the first query: a slow Redis must not hold a connection of Postgres.
        await state.limits.hit(NEW_VISITORS, request.client.host if request.client else "")
    site = await site_by_key(work.session, body.site)
    visitor = await _visitor(work, site, body, claim)
    now = clock.now()
    token, expires_at = issue_visitor_token(
        state.secret, VisitorId(visitor.id), SiteId(site.id), visitor.token_epoch, now
    )
    row = await visitor_row(work.session, visitor.id)
    known = await availability(work.session, site.team_id, now, site.skills)
    return SessionReply(
        token=token,
        expires_at=clock.to_ms(expires_at),
        visitor=VisitorRef(id=str(visitor.id), name=visitor.name, email=visitor.email, verified=visitor.verified),
        site=SiteLook.model_validate(
            {
                "key": site.key,
                "name": site.name,
                "greeting": site.greeting,
                "accent": site.accent,
                "pre_chat": site.pre_chat,
                "locale": site.locale,
            }
        ),
        available=known.now,
        opens_at=known.opens_at,
        full=known.full,
        conversation=ConversationRef(c=str(row.id), state="waiting" if row.state == "offered" else row.state)
        if row
        else None,
    )


def _claim(secret: bytes, token: str | None) -> VisitorClaim | None:
    """Return what a token says, or None for none and for one that does not count."""
    if token is None:
        return None
    try:
        return read_visitor_token(secret, token, clock.now())
    except Unauthorized:
        return None


async def _visitor(work: Work, site: Site, body: SessionRequest, claim: VisitorClaim | None) -> Visitor:
    """Return who it is.

    Raises:
        Unauthorized: the site's word for it does not count.
    """
    current = None
    if claim is not None and claim.site_id == site.id:
        try:
            current = await visitor_of_claim(work.session, claim)
        except Unauthorized:
            current = None
    if body.user is not None:
        user = verify_site_identity(site, body.user, clock.now())
        return await verified_visitor(work.session, site, user, current, clock.now())
    return current or await new_visitor(work.session, SiteId(site.id))
