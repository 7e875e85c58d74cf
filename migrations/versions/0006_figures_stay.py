"""Episodes and ratings may outlive their conversation."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("episode", "conversation_id", nullable=True)
    op.alter_column("rating", "conversation_id", nullable=True)
    op.alter_column("rating", "visitor_id", nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM rating WHERE conversation_id IS NULL OR visitor_id IS NULL")
    op.execute("DELETE FROM episode WHERE conversation_id IS NULL")
    op.alter_column("rating", "visitor_id", nullable=False)
    op.alter_column("rating", "conversation_id", nullable=False)
    op.alter_column("episode", "conversation_id", nullable=False)
