"""Tokens: the visitor's signed one, the agent's single-use socket ticket, the site's word for a visitor.

Whatever is wrong with one of them, the answer is the same `Unauthorized`.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.exc import BadData
from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.clock import from_ms, to_ms
from app.errors import Unauthorized
from app.identity.models import AgentSession, SocketTicket
from app.identity.proof import VerifiedUser, verify_site_identity
from app.identity.sessions import live_session
from app.ids import SiteId, VisitorId

__all__ = [
    "VerifiedUser",
    "VisitorClaim",
    "consume_ticket",
    "issue_ticket",
    "issue_visitor_token",
    "read_visitor_token",
    "verify_site_identity",
]

VISITOR_LIFE = timedelta(days=30)
TICKET_LIFE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class VisitorClaim:
    """What a visitor's token says. `epoch` must equal the visitor's own, which rises at log-out."""

    visitor_id: VisitorId
    site_id: SiteId
    epoch: int


def issue_visitor_token(
    secret: bytes, visitor_id: VisitorId, site_id: SiteId, epoch: int, now: datetime
) -> tuple[str, datetime]:
    """Return a visitor's token and the moment it expires."""
    expires_at = now + VISITOR_LIFE
    claim = [visitor_id.hex, site_id.hex, epoch, to_ms(expires_at)]
    token = _visitor_signer(secret).sign(base64_encode(msgspec.json.encode(claim)))
    return token.decode("ascii"), expires_at


def read_visitor_token(secret: bytes, token: str, now: datetime) -> VisitorClaim:
    """Return what a visitor's token says.

    Raises:
        Unauthorized: it is not ours, not a visitor's, changed, or expired.
    """
    try:
        payload = _visitor_signer(secret).unsign(token.encode("ascii"))
        visitor, site, epoch, expires = msgspec.json.decode(base64_decode(payload), type=tuple[str, str, int, int])
        claim = VisitorClaim(VisitorId(UUID(visitor)), SiteId(UUID(site)), epoch)
    except (BadSignature, BadData, UnicodeError, msgspec.DecodeError, ValueError) as error:
        raise Unauthorized from error
    if now >= from_ms(expires):
        raise Unauthorized
    return claim


async def issue_ticket(session: AsyncSession, agent_session_id: UUID, now: datetime) -> tuple[str, datetime]:
    """Return a fresh ticket for an agent's session, and the moment it expires."""
    ticket = secrets.token_urlsafe(32)
    expires_at = now + TICKET_LIFE
    await session.execute(
        insert(SocketTicket).values(token_hash=_digest(ticket), session_id=agent_session_id, expires_at=expires_at)
    )
    return ticket, expires_at


async def consume_ticket(session: AsyncSession, ticket: str, now: datetime) -> AgentSession:
    """Take a ticket out of the world and return the live session it stands for.

    Raises:
        Unauthorized: unknown, used, expired, or its session has ended meanwhile.
    """
    found: Any = await session.execute(
        delete(SocketTicket)
        .where(SocketTicket.token_hash == _digest(ticket))
        .returning(SocketTicket.session_id, SocketTicket.expires_at)
    )
    row = found.one_or_none()
    if row is None or now >= row.expires_at:
        raise Unauthorized
    live = await live_session(session, now, session_id=row.session_id)
    if live is None:
        raise Unauthorized
    return live.session


def _visitor_signer(secret: bytes) -> Signer:
    # The salt tags the type: a token of another kind, signed with the same secret, is not one of these.
    return Signer(secret, salt="deskbell.visitor.1", key_derivation="hmac", digest_method=hashlib.sha256)


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).digest()
