"""Lanes with skills, strategies, kept and declined conversations, overflow."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NO_TEXTS = sa.text("'{}'")
TEAM = ("share", "queue_limit", "overflow_after_s", "choice_after_s")


def upgrade() -> None:
    op.add_column("team", sa.Column("strategy", sa.Text(), server_default="least_busy", nullable=False))
    for name in TEAM:
        op.add_column("team", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("team", sa.Column("sticky_s", sa.Integer(), server_default=sa.text("30"), nullable=True))
    op.add_column("team", sa.Column("overflow_team_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_team_overflow_team_id_team"), "team", "team", ["overflow_team_id"], ["id"], ondelete="SET NULL"
    )
    strategies = "strategy in ('least_busy', 'round_robin', 'longest_idle', 'manual')"
    op.create_check_constraint(op.f("ck_team_strategy"), "team", strategies)
    op.create_check_constraint(op.f("ck_team_bounds"), "team", "share > 0 AND queue_limit >= 0 AND sticky_s > 0")
    op.create_check_constraint(op.f("ck_team_waits"), "team", "overflow_after_s >= 0 AND choice_after_s >= 0")
    op.create_check_constraint(op.f("ck_team_overflow"), "team", "overflow_team_id <> id")

    op.add_column("site", sa.Column("skills", sa.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False))
    op.add_column("site", sa.Column("by_language", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("site", sa.Column("boost_s", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_site_boost_s"), "site", "boost_s BETWEEN 0 AND 900")

    op.add_column("agent", sa.Column("skills", sa.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False))
    op.add_column("agent", sa.Column("missed", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("agent", sa.Column("freed_at", sa.DateTime(timezone=True), nullable=True))

    op.add_column("conversation", sa.Column("skills", sa.ARRAY(sa.Text()), server_default=NO_TEXTS, nullable=False))
    op.add_column("conversation", sa.Column("reserved_for", sa.Uuid(), nullable=True))
    op.add_column("conversation", sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("conversation", sa.Column("declined", sa.ARRAY(sa.Uuid()), server_default=NO_TEXTS, nullable=False))
    op.add_column("conversation", sa.Column("declined_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "conversation", sa.Column("overflowed", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_foreign_key(op.f("fk_conversation_reserved_for_agent"), "conversation", "agent", ["reserved_for"], ["id"])
    op.create_index(
        "ix_conversation_kept",
        "conversation",
        ["id"],
        postgresql_where=sa.text("state = 'waiting' AND (reserved_for IS NOT NULL OR declined_until IS NOT NULL)"),
    )


def downgrade() -> None:
    for name in ("skills", "reserved_for", "reserved_until", "declined", "declined_until", "overflowed"):
        op.drop_column("conversation", name)
    for name in ("skills", "missed", "freed_at"):
        op.drop_column("agent", name)
    for name in ("skills", "by_language", "boost_s"):
        op.drop_column("site", name)
    for name in (*TEAM, "strategy", "sticky_s", "overflow_team_id"):
        op.drop_column("team", name)
