"""Conversations are passed on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversation", sa.Column("passed_by", sa.Uuid(), nullable=True))
    op.add_column("conversation", sa.Column("returns_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("conversation", sa.Column("previous_team_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_conversation_passed_by_agent"), "conversation", "agent", ["passed_by"], ["id"])
    op.create_foreign_key(
        op.f("fk_conversation_previous_team_id_team"),
        "conversation",
        "team",
        ["previous_team_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(
        "ix_conversation_returns", "conversation", ["returns_at"], postgresql_where=sa.text("returns_at IS NOT NULL")
    )
    op.create_index(
        "ix_conversation_previous_team",
        "conversation",
        ["previous_team_id", "changed_at"],
        postgresql_where=sa.text("previous_team_id IS NOT NULL"),
    )


def downgrade() -> None:
    for name in ("passed_by", "returns_at", "previous_team_id"):
        op.drop_column("conversation", name)
