"""The tables of identity: teams, sites, agents, their sessions and socket tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.ids import uuid7
from app.infra.database import Model


class Team(Model):
    """A group of agents with one queue.

    `share` is how many of its conversations one agent may have at once, within their capacity; `queue_limit` how many
    may wait. Who has waited `overflow_after_s` goes on waiting in the line of `overflow_team_id`; who has waited
    `choice_after_s` is asked whether they would rather leave a message. A visitor who comes back is kept `sticky_s` for
    the agent they had. None switches each of these off.
    """

    __tablename__ = "team"
    __table_args__ = (
        CheckConstraint("mode in ('direct', 'offer')", name="mode"),
        CheckConstraint("strategy in ('least_busy', 'round_robin', 'longest_idle', 'manual')", name="strategy"),
        CheckConstraint("share > 0 AND queue_limit >= 0 AND sticky_s > 0", name="bounds"),
        CheckConstraint("overflow_after_s >= 0 AND choice_after_s >= 0", name="waits"),
        CheckConstraint("overflow_team_id <> id", name="overflow"),
        Index("uq_team_name_lower", text("lower(name)"), unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(Text)
    mode: Mapped[str] = mapped_column(Text, server_default="direct")
    strategy: Mapped[str] = mapped_column(Text, server_default="least_busy")
    share: Mapped[int | None]
    queue_limit: Mapped[int | None]
    overflow_team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="SET NULL"))
    overflow_after_s: Mapped[int | None]
    choice_after_s: Mapped[int | None]
    sticky_s: Mapped[int | None] = mapped_column(server_default=text("30"))
    hours: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Site(Model):
    """One website that carries the widget.

    Its visitors wait for agents who have all of `skills`, and, where `by_language`, who speak their language. They
    stand as if they had come `boost_s` seconds earlier.
    """

    __tablename__ = "site"
    __table_args__ = (
        CheckConstraint("pre_chat in ('off', 'optional', 'required')", name="pre_chat"),
        CheckConstraint("boost_s BETWEEN 0 AND 900", name="boost_s"),
        CheckConstraint("accent ~ '^#[0-9a-f]{6}$'", name="accent"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    key: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    origins: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    greeting: Mapped[str] = mapped_column(Text, server_default="")
    accent: Mapped[str] = mapped_column(Text, server_default="#5b5bd6")
    locale: Mapped[str] = mapped_column(Text, server_default="en")
    pre_chat: Mapped[str] = mapped_column(Text, server_default="optional")
    identity_secret: Mapped[str] = mapped_column(Text)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id"), index=True)
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    by_language: Mapped[bool] = mapped_column(server_default=text("false"))
    boost_s: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Agent(Model):
    """A person who answers.

    `load`, `accepting`, `note`, `missed`, `rev`, `last_assigned_at`, `freed_at` and `seen_at` belong to routing: `rev`
    rises with every change of load, capacity, accepting, teams, skills or active, so that a copy elsewhere can tell
    which is newer. `missed` counts the offers in a row that ran out before them.
    """

    __tablename__ = "agent"
    __table_args__ = (
        CheckConstraint("role in ('agent', 'supervisor', 'admin', 'owner')", name="role"),
        CheckConstraint("capacity between 0 and 100", name="capacity"),
        CheckConstraint("load >= 0", name="load"),
        Index("uq_agent_email_lower", text("lower(email)"), unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, server_default="agent")
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    capacity: Mapped[int] = mapped_column(server_default=text("4"))
    load: Mapped[int] = mapped_column(server_default=text("0"))
    accepting: Mapped[bool] = mapped_column(server_default=text("true"))
    note: Mapped[str | None] = mapped_column(Text)
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    missed: Mapped[int] = mapped_column(server_default=text("0"))
    rev: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_assigned_at: Mapped[datetime | None]
    freed_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TeamMember(Model):
    """An agent's place in a team."""

    __tablename__ = "team_member"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True, index=True)


class AgentSession(Model):
    """One signed-in browser of an agent. Only the token's hash is kept."""

    __tablename__ = "agent_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(Text, server_default="")
    user_agent: Mapped[str] = mapped_column(Text, server_default="")


class SocketTicket(Model):
    """A single-use key to the socket. In Postgres, so that the console opens while Redis is down."""

    __tablename__ = "socket_ticket"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("agent_session.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
