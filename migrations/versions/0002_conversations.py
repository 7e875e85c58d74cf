"""Visitors, conversations and their messages, ratings, presence; the statement that posts a batch."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway")),
    )
    op.create_table(
        "message",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("m", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sender_kind", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=True),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "lane", "seq", name=op.f("pk_message")),
    )
    op.create_index(
        "uq_message_key",
        "message",
        ["conversation_id", "sender_id", "m"],
        unique=True,
        postgresql_where=sa.text("sender_kind <> 'system'"),
    )
    op.create_table(
        "presence",
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("gateway_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gateway_id"], ["gateway.id"], name=op.f("fk_presence_gateway_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subject", "gateway_id", name=op.f("pk_presence")),
    )
    op.create_index(op.f("ix_presence_gateway_id"), "presence", ["gateway_id"], unique=False)
    op.create_table(
        "visitor",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("verified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("attributes", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("token_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("page_url", sa.Text(), nullable=True),
        sa.Column("page_title", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_visitor_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visitor")),
    )
    op.create_index(
        "uq_visitor_site_id_external_id",
        "visitor",
        ["site_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "conversation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("visitor_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("gen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("last_agent_id", sa.Uuid(), nullable=True),
        sa.Column("episode", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("public_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("internal_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("visitor_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("agent_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("score", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("offer_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_message", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(agent_id IS NULL) = (state IN ('waiting', 'closed'))", name=op.f("ck_conversation_owner")),
        sa.CheckConstraint("state IN ('waiting', 'offered', 'active', 'closed')", name=op.f("ck_conversation_state")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_conversation_agent_id")),
        sa.ForeignKeyConstraint(["last_agent_id"], ["agent.id"], name=op.f("fk_conversation_last_agent_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_conversation_site_id")),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_conversation_team_id")),
        sa.ForeignKeyConstraint(["visitor_id"], ["visitor.id"], name=op.f("fk_conversation_visitor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
        sa.UniqueConstraint("visitor_id", name=op.f("uq_conversation_visitor_id")),
    )
    op.create_index(
        "ix_conversation_closed",
        "conversation",
        ["team_id", "closed_at"],
        unique=False,
        postgresql_where=sa.text("state = 'closed'"),
    )
    op.create_index(
        "ix_conversation_owned",
        "conversation",
        ["agent_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('offered', 'active')"),
    )
    op.create_index("ix_conversation_team_id_changed_at", "conversation", ["team_id", "changed_at"], unique=False)
    op.create_index(
        "ix_conversation_unserved",
        "conversation",
        ["team_id", "visitor_id"],
        postgresql_where=sa.text("state IN ('waiting', 'offered')"),
    )
    op.create_index(
        "ix_conversation_left", "conversation", ["team_id", "closed_at"], postgresql_where=sa.text("left_message")
    )
    op.create_index(
        "ix_conversation_last_agent",
        "conversation",
        ["last_agent_id", "closed_at"],
        postgresql_where=sa.text("state = 'closed'"),
    )
    op.create_index(
        "ix_conversation_waiting",
        "conversation",
        ["team_id", "score", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "episode",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("rating_prompted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_episode_agent_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name=op.f("fk_episode_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_episode_site_id")),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_episode_team_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episode")),
        sa.UniqueConstraint("conversation_id", "number", name=op.f("uq_episode_conversation_id_number")),
    )
    op.create_index("ix_episode_closed_at", "episode", ["closed_at"], unique=False)
    op.create_table(
        "rating",
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("visitor_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("score BETWEEN 1 AND 5", name=op.f("ck_rating_score")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_rating_agent_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name=op.f("fk_rating_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"], name=op.f("fk_rating_episode_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_rating_site_id")),
        sa.ForeignKeyConstraint(["team_id"], ["team.id"], name=op.f("fk_rating_team_id")),
        sa.ForeignKeyConstraint(["visitor_id"], ["visitor.id"], name=op.f("fk_rating_visitor_id")),
        sa.PrimaryKeyConstraint("episode_id", name=op.f("pk_rating")),
    )
    op.create_index("ix_rating_created_at", "rating", ["created_at"], unique=False)
    op.create_table(
        "stint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("episode_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_stint_agent_id")),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"], name=op.f("fk_stint_episode_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stint")),
    )
    op.create_index("ix_stint_episode_id", "stint", ["episode_id"], unique=False)

    # Every message bumps its conversation's counters: room on the page keeps those updates from touching an index.
    op.execute("ALTER TABLE conversation SET (fillfactor = 70)")
    op.execute(Path(__file__).with_name("0002_post_messages.sql").read_text())


def downgrade() -> None:
    op.execute("DROP FUNCTION post_messages")
    op.drop_table("stint")
    op.drop_table("rating")
    op.drop_table("episode")
    op.drop_table("conversation")
    op.drop_table("visitor")
    op.drop_table("presence")
    op.drop_table("message")
    op.drop_table("gateway")
