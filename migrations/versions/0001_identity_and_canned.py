"""Teams, sites, agents, their sessions and socket tickets; canned replies."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
LOWER_EMAIL = sa.literal_column("lower(email)")
LOWER_NAME = sa.literal_column("lower(name)")
LOWER_SHORTCUT = sa.literal_column("lower(shortcut)")


def upgrade() -> None:
    op.create_table(
        "team",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), server_default="direct", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("mode in ('direct', 'offer')", name=op.f("ck_team_mode")),
    )
    op.create_index("uq_team_name_lower", "team", [LOWER_NAME], unique=True)

    op.create_table(
        "site",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("origins", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("greeting", sa.Text(), server_default="", nullable=False),
        sa.Column("accent", sa.Text(), server_default="#5b5bd6", nullable=False),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("pre_chat", sa.Text(), server_default="optional", nullable=False),
        sa.Column("identity_secret", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("team.id"), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.UniqueConstraint("key", name=op.f("uq_site_key")),
        sa.CheckConstraint("accent ~ '^#[0-9a-f]{6}$'", name=op.f("ck_site_accent")),
        sa.CheckConstraint("pre_chat in ('off', 'optional', 'required')", name=op.f("ck_site_pre_chat")),
    )
    op.create_index(op.f("ix_site_team_id"), "site", ["team_id"])

    op.create_table(
        "agent",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="agent", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("capacity", sa.Integer(), server_default=sa.text("4"), nullable=False),
        sa.Column("load", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("accepting", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("rev", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_assigned_at", MOMENT),
        sa.Column("seen_at", MOMENT),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("role in ('agent', 'supervisor', 'admin', 'owner')", name=op.f("ck_agent_role")),
        sa.CheckConstraint("capacity between 0 and 100", name=op.f("ck_agent_capacity")),
        sa.CheckConstraint("load >= 0", name=op.f("ck_agent_load")),
    )
    op.create_index("uq_agent_email_lower", "agent", [LOWER_EMAIL], unique=True)

    op.create_table(
        "team_member",
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("team.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("agent_id", sa.Uuid(), sa.ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True),
    )
    op.create_index(op.f("ix_team_member_agent_id"), "team_member", ["agent_id"])

    op.create_table(
        "agent_session",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agent_id", sa.Uuid(), sa.ForeignKey("agent.id", ondelete="CASCADE"), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.UniqueConstraint("token_hash", name=op.f("uq_agent_session_token_hash")),
    )
    op.create_index(op.f("ix_agent_session_agent_id"), "agent_session", ["agent_id"])
    op.create_index(op.f("ix_agent_session_expires_at"), "agent_session", ["expires_at"])

    op.create_table(
        "socket_ticket",
        sa.Column("token_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("session_id", sa.Uuid(), sa.ForeignKey("agent_session.id", ondelete="CASCADE"), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
    )
    op.create_index(op.f("ix_socket_ticket_session_id"), "socket_ticket", ["session_id"])
    op.create_index(op.f("ix_socket_ticket_expires_at"), "socket_ticket", ["expires_at"])

    op.create_table(
        "canned_reply",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), sa.ForeignKey("agent.id", ondelete="CASCADE")),
        sa.Column("team_id", sa.Uuid(), sa.ForeignKey("team.id", ondelete="CASCADE")),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("shortcut", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("used_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_by", sa.Uuid(), sa.ForeignKey("agent.id", ondelete="SET NULL")),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(scope = 'personal' and agent_id is not null and team_id is null)"
            " or (scope = 'team' and team_id is not null and agent_id is null)"
            " or (scope = 'everyone' and agent_id is null and team_id is null)",
            name=op.f("ck_canned_reply_scope"),
        ),
    )
    for scope, columns in {
        "personal": ["agent_id", LOWER_SHORTCUT],
        "team": ["team_id", LOWER_SHORTCUT],
        "everyone": [LOWER_SHORTCUT],
    }.items():
        op.create_index(
            f"uq_canned_reply_{scope}",
            "canned_reply",
            columns,
            unique=True,
            postgresql_where=sa.text(f"scope = '{scope}'"),
        )


def downgrade() -> None:
    for table in (
        "canned_reply",
        "socket_ticket",
        "agent_session",
        "team_member",
        "agent",
        "site",
        "team",
    ):
        op.drop_table(table)
