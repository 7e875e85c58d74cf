"""The tables of a conversation: the thread, its episodes, stints and messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.ids import uuid7
from app.infra.database import Model


class Conversation(Model):
    """One thread between a visitor and the support side. A visitor has one on a site; it may reopen.

    `gen` rises with every change of state and fences every command about it. `score` orders the queue and
    stays the same for a whole episode, so that a requeue returns to the old place. `episode_gen` is the generation with
    which the episode began: what was said before it belongs to an earlier one. `passed_by` is the agent who passed it
    on, until somebody has it; in another team's line it goes back to them at `returns_at`. While it waits, its agent
    must have all of `skills`, it is `reserved_for` one agent until `reserved_until`, and not for those who `declined`
    it until `declined_until`. Up to `mailed_seq` no answer needs to go to the visitor by mail (any more); `mailed_at`
    is when the last one was put on its way.
    """

    __tablename__ = "conversation"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'offered', 'active', 'closed')", name="state"),
        CheckConstraint("(agent_id IS NULL) = (state IN ('waiting', 'closed'))", name="owner"),
        Index("ix_conversation_waiting", "team_id", "score", "id", postgresql_where=text("state = 'waiting'")),
        Index(
            "ix_conversation_owned",
            "agent_id",
            postgresql_where=text("state IN ('offered', 'active')"),
        ),
        Index(
            "ix_conversation_unserved",
            "team_id",
            "visitor_id",
            postgresql_where=text("state IN ('waiting', 'offered')"),
        ),
        Index(
            "ix_conversation_kept",
            "id",
            postgresql_where=text("state = 'waiting' AND (reserved_for IS NOT NULL OR declined_until IS NOT NULL)"),
        ),
        Index("ix_conversation_returns", "returns_at", postgresql_where=text("returns_at IS NOT NULL")),
        Index(
            "ix_conversation_previous_team",
            "previous_team_id",
            "changed_at",
            postgresql_where=text("previous_team_id IS NOT NULL"),
        ),
        Index("ix_conversation_left", "team_id", "closed_at", postgresql_where=text("left_message")),
        Index("ix_conversation_last_agent", "last_agent_id", "closed_at", postgresql_where=text("state = 'closed'")),
        Index("ix_conversation_team_id_changed_at", "team_id", "changed_at"),
        Index("ix_conversation_closed", "team_id", "closed_at", postgresql_where=text("state = 'closed'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id"))
    visitor_id: Mapped[UUID] = mapped_column(ForeignKey("visitor.id"), unique=True)
    state: Mapped[str]
    gen: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"))
    last_agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"))
    episode: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    episode_gen: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    public_seq: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    internal_seq: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    visitor_read: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    agent_read: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    score: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    reserved_for: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"))
    reserved_until: Mapped[datetime | None]
    declined: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), default=list, server_default=text("'{}'"))
    declined_until: Mapped[datetime | None]
    overflowed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    offer_expires_at: Mapped[datetime | None]
    passed_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"))
    returns_at: Mapped[datetime | None]
    previous_team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="SET NULL"))
    assigned_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    left_message: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    mailed_seq: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    mailed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def lane(self) -> str:
        """Return where it waits, or would: its team and what its agent must be able to do."""
        return "+".join((str(self.team_id), *self.skills))


# By name: `c.*` would be another statement once a migration has added a column.
COLUMNS = ", ".join(f"c.{column.name}" for column in Conversation.__table__.columns)
"""In SQL, what a `conversation c` is made of."""

LANE = "array_to_string(ARRAY[c.team_id::text] || c.skills, '+')"
"""The same in SQL, of a `conversation c`."""


class Episode(Model):
    """One waiting → closed run of a conversation. Metrics and ratings are per episode.

    It outlives its conversation, for the metrics; then nothing in it says whose it was.
    """

    __tablename__ = "episode"
    __table_args__ = (
        UniqueConstraint("conversation_id", "number"),
        Index("ix_episode_closed_at", "closed_at"),
        Index("ix_episode_team_id_assigned_at", "team_id", "assigned_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    conversation_id: Mapped[UUID | None] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    number: Mapped[int]
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"))
    queued_at: Mapped[datetime]
    assigned_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    rating_prompted_at: Mapped[datetime | None]
    estimate_s: Mapped[float | None]
    estimate_low_s: Mapped[float | None]
    estimate_high_s: Mapped[float | None]


class Stint(Model):
    """One agent's time on an episode."""

    __tablename__ = "stint"
    __table_args__ = (Index("ix_stint_episode_id", "episode_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    episode_id: Mapped[UUID] = mapped_column(ForeignKey("episode.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id"))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]


class Message(Model):
    """One event of a lane: a text, a note, or a change of state.

    Rows are written only by `post_message`, `post_batch`, `post_messages` and `lines.append`. All hold the
    conversation's lock; that makes the sequence dense and a foreign key needless.
    """

    __tablename__ = "message"
    __table_args__ = (
        Index(
            "uq_message_key",
            "conversation_id",
            "sender_id",
            "m",
            unique=True,
            postgresql_where=text("sender_kind <> 'system'"),
        ),
    )

    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    m: Mapped[UUID]
    kind: Mapped[str]
    sender_kind: Mapped[str]
    sender_id: Mapped[UUID]
    sender_name: Mapped[str | None]
    episode: Mapped[int]
    at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
