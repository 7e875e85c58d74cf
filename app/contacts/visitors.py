"""Visitors: made on first sight, recognised by their token, named by themselves or proven by their site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts.models import Visitor
from app.errors import Invalid, Unauthorized
from app.identity.models import Site
from app.identity.tokens import VerifiedUser, VisitorClaim
from app.ids import SiteId, TeamId, VisitorId, uuid7
from app.infra.database import any_of
from app.text import checked_email, checked_name

_KNOWN = text(
    "SELECT v.id, v.site_id, s.team_id, s.skills, v.token_epoch, v.name, v.email, v.verified "
    f"FROM visitor v JOIN site s ON s.id = v.site_id WHERE v.id {any_of('visitors')}"
)


async def visitor_of_claim(session: AsyncSession, claim: VisitorClaim) -> Visitor:
    """Return the visitor whose token it is.

    Raises:
        Unauthorized: there is none, or their tokens were revoked.
    """
    visitor = await session.get(Visitor, claim.visitor_id)
    if visitor is None or visitor.token_epoch != claim.epoch or visitor.site_id != claim.site_id:
        raise Unauthorized
    return visitor


@dataclass(frozen=True, slots=True)
class Known:
    """A visitor, and whose line they would be in.

    Attributes:
        team_id: their site's.
        skills: what their agent must be able to do, as their site says.
        epoch: their token's must be equal.
    """

    id: VisitorId
    site_id: SiteId
    team_id: TeamId
    skills: tuple[str, ...]
    epoch: int
    name: str | None
    email: str | None
    verified: bool


async def known_visitors(session: AsyncSession, visitor_ids: list[UUID]) -> dict[UUID, Known]:
    """Return the visitors that exist among `visitor_ids`."""
    rows = await session.execute(_KNOWN, {"visitors": visitor_ids})
    return {
        row.id: Known(
            row.id, row.site_id, row.team_id, tuple(row.skills), row.token_epoch, row.name, row.email, row.verified
        )
        for row in rows
    }


async def new_visitor(session: AsyncSession, site_id: SiteId) -> Visitor:
    """Make an anonymous visitor."""
    visitor = Visitor(id=uuid7(), site_id=site_id, token_epoch=0, verified=False, attributes={})
    session.add(visitor)
    await session.flush()
    return visitor


async def verified_visitor(
    session: AsyncSession, site: Site, user: VerifiedUser, current: Visitor | None, now: datetime
) -> Visitor:
    """Return the visitor that the site says it is.

    An anonymous visitor who is proven for the first time keeps their thread; a known person gets back their own; an
    anonymous thread is never merged into a known person's.
    """
    mine = select(Visitor).where(Visitor.site_id == site.id, Visitor.external_id == user.external_id)
    known = await session.scalar(mine)
    if known is None and current is not None and current.external_id is None:
        known = await _proven_now(session, current, user.external_id)
    if known is None:
        await session.execute(
            insert(Visitor).values(id=uuid7(), site_id=site.id, external_id=user.external_id).on_conflict_do_nothing()
        )
        known = (await session.scalars(mine)).one()
    known.verified = True
    # What the site signs but we cannot show is left out: it must not keep its visitor from the chat.
    known.name = _usable(checked_name, user.name) or known.name
    known.email = _usable(checked_email, user.email) or known.email
    known.seen_at = now
    await session.flush()
    return known


async def _proven_now(session: AsyncSession, visitor: Visitor, external_id: str) -> Visitor | None:
    """Make an anonymous visitor the proven person, unless another window has just done so.

    Tokens from before count no more: one may have been copied while it gave nothing but an anonymous thread.
    """
    try:
        async with session.begin_nested():
            visitor.external_id = external_id
            visitor.token_epoch += 1
            await session.flush()
    except IntegrityError:
        await session.refresh(visitor)
        return None
    return visitor


def _usable(check: Callable[[str | None], str | None], value: str | None) -> str | None:
    try:
        return check(value)
    except Invalid:
        return None


def introduce(visitor: Visitor, name: str | None, email: str | None) -> None:
    """Take over what the visitor says of themselves; what their site has said of a verified one stays.

    Raises:
        Invalid: name or e-mail cannot be one.
    """
    name, email = checked_name(name), checked_email(email)
    if visitor.verified:
        name, email = visitor.name or name, visitor.email or email
    visitor.name = name or visitor.name
    visitor.email = email or visitor.email


async def visitor_by_id(session: AsyncSession, visitor_id: UUID) -> Visitor:
    """Return a visitor.

    Raises:
        Unauthorized: they were erased.
    """
    visitor = await session.get(Visitor, visitor_id)
    if visitor is None:
        raise Unauthorized
    return visitor
