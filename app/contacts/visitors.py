"""Visitors: made on first sight, recognised by their token, named by themselves or proven by their site."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.contacts.models import Visitor
from app.errors import Invalid, Unauthorized
from app.identity.models import Site
from app.identity.tokens import VerifiedUser, VisitorClaim
from app.ids import SiteId, uuid7
from app.text import clean_line

# Invisible or direction-changing characters make one name look like another.
_DECEPTIVE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_EMAIL = re.compile(r"[^@\s<>\"(),:;\\\[\]]+@[^@\s<>\"(),:;\\\[\]]+\.[^@\s.<>\"(),:;\\\[\]]+")


def clean_name(name: str | None) -> str | None:
    """Return a name that can be shown beside others, or None when nothing is left of it.

    Raises:
        Invalid: `bad_text` or `too_large`.
    """
    if name is None:
        return None
    return _DECEPTIVE.sub("", clean_line(name, field="name", most=100, need=False)).strip() or None


def clean_email(email: str | None) -> str | None:
    """Return one plausible address, or None for none.

    Raises:
        Invalid: it is not of the form name@host.tld.
    """
    if email is None or not email.strip():
        return None
    email = clean_line(email, field="email", most=254)
    if not _EMAIL.fullmatch(email):
        raise Invalid("That does not look like an e-mail address.", field="email")
    return email


async def visitor_of_claim(session: AsyncSession, claim: VisitorClaim) -> Visitor:
    """Return the visitor whose token it is.

    Raises:
        Unauthorized: there is none, or their tokens were revoked.
    """
    visitor = await session.get(Visitor, claim.visitor_id)
    if visitor is None or visitor.token_epoch != claim.epoch or visitor.site_id != claim.site_id:
        raise Unauthorized
    return visitor


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
    known = await session.scalar(
        select(Visitor).where(Visitor.site_id == site.id, Visitor.external_id == user.external_id)
    )
    if known is None and current is not None and current.external_id is None:
        known = current
        known.external_id = user.external_id
    if known is None:
        await session.execute(
            insert(Visitor).values(id=uuid7(), site_id=site.id, external_id=user.external_id).on_conflict_do_nothing()
        )
        known = (
            await session.scalars(
                select(Visitor).where(Visitor.site_id == site.id, Visitor.external_id == user.external_id)
            )
        ).one()
    known.verified = True
    known.name = clean_name(user.name) or known.name
    known.email = clean_email(user.email) or known.email
    known.seen_at = now
    await session.flush()
    return known


def introduce(visitor: Visitor, name: str | None, email: str | None) -> None:
    """Take over what the visitor says of themselves; a verified visitor's details stay as their site gave them.

    Raises:
        Invalid: name or e-mail cannot be one.
    """
    name, email = clean_name(name), clean_email(email)
    if visitor.verified:
        return
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
