"""The announced wait is kept beside the episode."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = ("estimate_s", "estimate_low_s", "estimate_high_s")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("episode", sa.Column(name, sa.Float(), nullable=True))
    op.create_index("ix_episode_team_id_assigned_at", "episode", ["team_id", "assigned_at"])


def downgrade() -> None:
    op.drop_index("ix_episode_team_id_assigned_at", table_name="episode")
    for name in COLUMNS:
        op.drop_column("episode", name)
