"""A message is posted without asking first whether it may be: `post_message` for one, `post_batch` for many.

Both fall back to `post_messages`, which processes of the release before go on calling.
"""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("0010_post_message.sql", "0010_post_batch.sql"):
        op.execute(Path(__file__).with_name(name).read_text())


def downgrade() -> None:
    op.execute("DROP FUNCTION post_message(uuid, smallint, text, text, uuid, text, uuid, text, bigint)")
    op.execute("DROP FUNCTION post_batch(uuid[], smallint[], text[], text[], uuid[], text[], uuid[], text[], bigint[])")
