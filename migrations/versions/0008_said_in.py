"""A message is stored in the episode it was said in, or not at all.

`post_messages` with nine arguments stands beside the one with eight, which processes of the release before go on
calling; a later release drops that.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversation", sa.Column("episode_gen", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(Path(__file__).with_name("0008_post_messages.sql").read_text())


def downgrade() -> None:
    op.execute(
        "DROP FUNCTION post_messages(uuid[], smallint[], text[], text[], uuid[], text[], uuid[], text[], bigint[])"
    )
    op.drop_column("conversation", "episode_gen")
