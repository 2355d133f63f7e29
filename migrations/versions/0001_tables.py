"""The ledger, the tables it is merged into, dead letters and the inbox."""

import sqlalchemy as sa
from alembic import op

from models.types import KeyText, UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("subject_id", KeyText, primary_key=True),
        sa.Column("event", KeyText, primary_key=True),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("applied_at", UTCDateTime(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("outcome IN ('applied', 'ignored')", name="ck_events_outcome"),
    )
    op.create_table(
        "message_status",
        sa.Column("message_id", KeyText, primary_key=True),
        sa.Column("channel", sa.Text()),
        sa.Column("recipient", KeyText),
        sa.Column("sender", KeyText),
        sa.Column("campaign_id", KeyText),
        sa.Column("status", sa.Text()),
        sa.Column("status_at", UTCDateTime()),
        sa.Column("delivered_at", UTCDateTime()),
        sa.Column("failed_at", UTCDateTime()),
        sa.Column("failure_code", sa.Text()),
        sa.Column("failure_reason", sa.Text()),
        sa.Column("opted_out_at", UTCDateTime()),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('queued', 'sent', 'delivered', 'failed', 'undeliverable')",
            name="ck_message_status_status",
        ),
    )
    only_with_campaign = sa.text("campaign_id IS NOT NULL")
    op.create_index(
        "ix_message_status_campaign_id",
        "message_status",
        ["campaign_id"],
        postgresql_where=only_with_campaign,
        sqlite_where=only_with_campaign,
    )
    op.create_table(
        "campaign_status",
        sa.Column("campaign_id", KeyText, primary_key=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sent_at", UTCDateTime()),
        sa.Column("completed_at", UTCDateTime()),
        sa.Column("name", sa.Text()),
        sa.Column("channel", sa.Text()),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('sent', 'completed')", name="ck_campaign_status_status"),
    )
    op.create_table(
        "opt_outs",
        sa.Column("channel", KeyText, primary_key=True),
        sa.Column("address", KeyText, primary_key=True),
        sa.Column("sender", KeyText, primary_key=True),
        sa.Column("opted_out_at", UTCDateTime()),
        sa.Column("opted_in_at", UTCDateTime()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", KeyText),
        sa.Column("note", sa.Text()),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("source IN ('event', 'manual', 'import')", name="ck_opt_outs_source"),
    )
    op.create_index("ix_opt_outs_address", "opt_outs", ["address"])
    op.execute(
        "CREATE VIEW active_opt_outs AS "
        "SELECT channel, address, sender, opted_out_at, opted_in_at, source, message_id, note, updated_at "
        "FROM opt_outs "
        "WHERE opted_out_at IS NOT NULL AND (opted_in_at IS NULL OR opted_in_at <= opted_out_at)"
    )
    op.create_table(
        "dead_letters",
        sa.Column("digest", KeyText, primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("resolved_at", UTCDateTime()),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
    )


def downgrade() -> None:
    op.execute("DROP VIEW active_opt_outs")
    for table in ("inbox", "dead_letters", "opt_outs", "campaign_status", "message_status", "events"):
        op.drop_table(table)
