"""The table of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.ids import uuid7
from app.infra.database import Model


class Job(Model):
    """One thing to do. A key is done once, however often it is asked for.

    `due_at` is also the lease: whoever takes the job moves it ahead, and again while it runs. When they die it
    comes round by itself, and the next one takes it. `hold` fences what the earlier holder may still write.
    """

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'done', 'failed')", name="state"),
        Index("ix_job_due", "due_at", postgresql_where=text("state = 'queued'")),
        Index("ix_job_ended", "ended_at", postgresql_where=text("state <> 'queued'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="queued")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime]
    hold: Mapped[UUID | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
