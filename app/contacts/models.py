"""The visitor's row."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.ids import uuid7
from app.infra.database import Model


class Visitor(Model):
    """A person on a site: anonymous, known by name or e-mail, or verified by the site's own signature."""

    __tablename__ = "visitor"
    __table_args__ = (
        Index(
            "uq_visitor_site_id_external_id",
            "site_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str | None]
    email: Mapped[str | None]
    verified: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    external_id: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    token_epoch: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    page_url: Mapped[str | None]
    page_title: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
