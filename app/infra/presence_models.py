"""Who is connected, and to which process. Small tables of leases; they outlive a loss of Redis."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.database import Model


class Gateway(Model):
    """A running server process. One row written every few seconds keeps all its presences alive."""

    __tablename__ = "gateway"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Presence(Model):
    """A person (agent or visitor) with at least one socket on a gateway."""

    __tablename__ = "presence"

    subject: Mapped[UUID] = mapped_column(primary_key=True)
    gateway_id: Mapped[UUID] = mapped_column(ForeignKey("gateway.id", ondelete="CASCADE"), primary_key=True, index=True)
    kind: Mapped[str]
