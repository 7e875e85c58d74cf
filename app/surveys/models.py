"""The visitor's answer after an episode."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.database import Model


class Rating(Model):
    """One CSAT answer. Whom it is attributed to is frozen when it is first given.

    The score outlives conversation and visitor, for the metrics; the comment does not.
    """

    __tablename__ = "rating"
    __table_args__ = (
        CheckConstraint("score BETWEEN 1 AND 5", name="score"),
        Index("ix_rating_created_at", "created_at"),
    )

    episode_id: Mapped[UUID] = mapped_column(ForeignKey("episode.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[UUID | None] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id"))
    visitor_id: Mapped[UUID | None] = mapped_column(ForeignKey("visitor.id"))
    score: Mapped[int] = mapped_column(SmallInteger)
    comment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
