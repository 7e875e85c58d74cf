"""The table of canned replies."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.ids import uuid7
from app.infra.database import Model


class CannedReply(Model):
    """A stored answer. Its scope says who sees it: its owner, a team, or everyone."""

    __tablename__ = "canned_reply"
    __table_args__ = (
        CheckConstraint(
            "(scope = 'personal' and agent_id is not null and team_id is null)"
            " or (scope = 'team' and team_id is not null and agent_id is null)"
            " or (scope = 'everyone' and agent_id is null and team_id is null)",
            name="scope",
        ),
        Index(
            "uq_canned_reply_personal",
            "agent_id",
            text("lower(shortcut)"),
            unique=True,
            postgresql_where=text("scope = 'personal'"),
        ),
        Index(
            "uq_canned_reply_team",
            "team_id",
            text("lower(shortcut)"),
            unique=True,
            postgresql_where=text("scope = 'team'"),
        ),
        Index(
            "uq_canned_reply_everyone",
            text("lower(shortcut)"),
            unique=True,
            postgresql_where=text("scope = 'everyone'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    scope: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(Text)
    shortcut: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    used_count: Mapped[int] = mapped_column(server_default=text("0"))
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column(server_default=text("1"))
