"""When the events of the inbox are due; and ids that are never used again, on SQLite too."""

import sqlalchemy as sa
from alembic import op

from models.types import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _set_aside()
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_due_at", "inbox", ["due_at"])
    op.execute("INSERT INTO inbox (body, received_at, due_at) SELECT body, received_at, received_at FROM set_aside")
    op.drop_table("set_aside")


def downgrade() -> None:
    _set_aside()
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
    )
    op.execute("INSERT INTO inbox (body, received_at) SELECT body, received_at FROM set_aside")
    op.drop_table("set_aside")


def _set_aside() -> None:
    op.execute("CREATE TEMPORARY TABLE set_aside AS SELECT body, received_at FROM inbox ORDER BY id")
    op.drop_table("inbox")
