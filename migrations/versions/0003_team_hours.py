"""Teams have opening hours."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("team", sa.Column("hours", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("team", "hours")
