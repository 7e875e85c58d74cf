"""Agents' sessions: opaque tokens in a cookie, kept here as hashes only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.identity.events import SessionsRevoked
from app.identity.models import Agent, AgentSession, SocketTicket
from app.ids import AgentId
from app.infra.work import Work

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
_TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that counts, and whose it is."""

    session: AgentSession
    agent: Agent


async def open_session(
    session: AsyncSession, agent_id: AgentId, now: datetime, *, address: str = "", user_agent: str = ""
) -> tuple[str, AgentSession]:
    """Open a session for an agent and return its token, which is shown to nobody else, and its row."""
    token = secrets.token_urlsafe(32)
    row = AgentSession(
        agent_id=agent_id,
        token_hash=_digest(token),
        created_at=now,
        last_seen_at=now,
        expires_at=now + ABSOLUTE,
        address=address[:100],
        user_agent=user_agent[:300],
    )
    session.add(row)
    await session.flush()
    return token, row


async def live_session(
    session: AsyncSession, now: datetime, *, token: str | None = None, session_id: UUID | None = None
) -> LiveSession | None:
    """Return the session of a token or id if it is neither expired, idle for too long nor revoked.

    The agent must be active. A use is written down at most once a minute.
    """
    which = AgentSession.id == session_id if token is None else AgentSession.token_hash == _digest(token)
    found = await session.execute(
        select(AgentSession, Agent)
        .join(Agent, Agent.id == AgentSession.agent_id)
        .where(
            which,
            AgentSession.revoked_at.is_(None),
            AgentSession.expires_at > now,
            AgentSession.last_seen_at > now - IDLE,
            Agent.active,
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    live = LiveSession(*row)
    if now - live.session.last_seen_at >= _TOUCH_EVERY:
        live.session.last_seen_at = now
    return live


async def keep_alive(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Count open sockets as use of their sessions. Returns those of the sessions that still count."""
    await session.execute(
        update(AgentSession)
        .where(AgentSession.id.in_(ids), AgentSession.last_seen_at < func.now() - _TOUCH_EVERY)
        .where(AgentSession.revoked_at.is_(None), AgentSession.expires_at > func.now())
        .values(last_seen_at=func.now())
        .execution_options(synchronize_session=False)
    )
    rows = await session.scalars(
        select(AgentSession.id)
        .join(Agent, Agent.id == AgentSession.agent_id)
        .where(AgentSession.id.in_(ids), AgentSession.revoked_at.is_(None))
        .where(AgentSession.expires_at > func.now(), Agent.active)
    )
    return set(rows)


async def revoke_sessions(
    work: Work,
    agent_id: AgentId,
    now: datetime,
    *,
    only: UUID | None = None,
    but: UUID | None = None,
    switched_off: bool = False,
) -> tuple[UUID, ...]:
    """End an agent's sessions and tell it, so that their live sockets are closed.

    Args:
        work: the unit of work.
        agent_id: whose.
        now: the current moment.
        only: end just this one.
        but: end all but this one.
        switched_off: whether that is because the agent was.
    """
    revoke = update(AgentSession).where(AgentSession.agent_id == agent_id, AgentSession.revoked_at.is_(None))
    if only is not None:
        revoke = revoke.where(AgentSession.id == only)
    if but is not None:
        revoke = revoke.where(AgentSession.id != but)
    ended = await work.session.execute(revoke.values(revoked_at=now).returning(AgentSession.id))
    ids = tuple(ended.scalars())
    if ids:
        work.record(SessionsRevoked(agent_id, ids, switched_off))
    return ids


async def forget_expired(session: AsyncSession, now: datetime) -> None:
    """Delete sessions that ended over a day ago, and expired tickets. For the sweeper."""
    await session.execute(delete(SocketTicket).where(SocketTicket.expires_at < now))
    day_ago = now - timedelta(days=1)
    await session.execute(
        delete(AgentSession).where(
            or_(
                AgentSession.expires_at < day_ago,
                AgentSession.revoked_at < day_ago,
                AgentSession.last_seen_at < day_ago - IDLE,
            )
        )
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
