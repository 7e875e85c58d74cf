"""Jobs; how far a visitor was answered by mail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("hold", sa.Uuid(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('queued', 'done', 'failed')", name=op.f("ck_job_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("key", name=op.f("uq_job_key")),
    )
    op.create_index("ix_job_due", "job", ["due_at"], postgresql_where=sa.text("state = 'queued'"))
    op.create_index("ix_job_ended", "job", ["ended_at"], postgresql_where=sa.text("state <> 'queued'"))
    op.add_column("conversation", sa.Column("mailed_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("conversation", sa.Column("mailed_at", MOMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("conversation", "mailed_at")
    op.drop_column("conversation", "mailed_seq")
    op.drop_table("job")
