"""The history of opt-outs, opt-outs out of failures, and which waiting events may be opt-outs."""

import sqlalchemy as sa
from alembic import op

from models.types import KeyText, UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPT_OUT_COLUMNS = "channel, address, sender, opted_out_at, opted_in_at, source, message_id, note, updated_at"
MAY_OPT_OUT = sa.text("may_opt_out")
OPEN_LETTER = sa.text("may_opt_out AND resolved_at IS NULL")
NAMELESS_OPT_OUT = sa.text("opted_out_at IS NOT NULL AND recipient IS NULL")

# Seconds as a number, made of two moments, on each database.
SECONDS = {
    "postgresql": "extract(epoch FROM {0} - {1})::double precision",
    "sqlite": "(julianday({0}) - julianday({1})) * 86400.0",
}


def upgrade() -> None:
    op.execute("DROP VIEW active_opt_outs")
    _allow_sources("'event', 'failure', 'manual', 'import'")
    _make_active_opt_outs()
    _make_history()
    _make_sent_after_opt_out()
    op.create_index(
        "ix_message_status_nameless_opt_out",
        "message_status",
        ["opted_out_at"],
        postgresql_where=NAMELESS_OPT_OUT,
        sqlite_where=NAMELESS_OPT_OUT,
    )
    # What waits already may all be opt-outs.
    for table in ("inbox", "dead_letters"):
        op.add_column(table, sa.Column("may_opt_out", sa.Boolean(), nullable=False, server_default=sa.false()))
        op.execute(f"UPDATE {table} SET may_opt_out = true")
    op.create_index(
        "ix_inbox_may_opt_out", "inbox", ["received_at"], postgresql_where=MAY_OPT_OUT, sqlite_where=MAY_OPT_OUT
    )
    op.create_index(
        "ix_dead_letters_may_opt_out",
        "dead_letters",
        ["received_at"],
        postgresql_where=OPEN_LETTER,
        sqlite_where=OPEN_LETTER,
    )


def downgrade() -> None:
    op.drop_index("ix_dead_letters_may_opt_out", "dead_letters")
    op.drop_index("ix_inbox_may_opt_out", "inbox")
    for table in ("inbox", "dead_letters"):
        op.drop_column(table, "may_opt_out")
    op.drop_index("ix_message_status_nameless_opt_out", "message_status")
    op.execute("DROP VIEW sent_after_opt_out")
    op.drop_table("opt_out_history")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_to_change_history()")
    op.execute("DROP VIEW active_opt_outs")
    op.execute("UPDATE opt_outs SET source = 'event' WHERE source = 'failure'")
    _allow_sources("'event', 'manual', 'import'")
    _make_active_opt_outs()


def _allow_sources(sources: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("ck_opt_outs_source", "opt_outs")
        op.create_check_constraint("ck_opt_outs_source", "opt_outs", f"source IN ({sources})")
        return
    # SQLite changes no constraint, so the table is made anew.
    op.execute(f"CREATE TEMPORARY TABLE set_aside AS SELECT {OPT_OUT_COLUMNS} FROM opt_outs")
    op.drop_table("opt_outs")
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
        sa.CheckConstraint(f"source IN ({sources})", name="ck_opt_outs_source"),
    )
    op.create_index("ix_opt_outs_address", "opt_outs", ["address"])
    op.execute(f"INSERT INTO opt_outs ({OPT_OUT_COLUMNS}) SELECT {OPT_OUT_COLUMNS} FROM set_aside")
    op.execute("DROP TABLE set_aside")


def _make_active_opt_outs() -> None:
    op.execute(
        f"CREATE VIEW active_opt_outs AS SELECT {OPT_OUT_COLUMNS} FROM opt_outs "
        "WHERE opted_out_at IS NOT NULL AND (opted_in_at IS NULL OR opted_in_at <= opted_out_at)"
    )


def _make_history() -> None:
    op.create_table(
        "opt_out_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("channel", KeyText, nullable=False),
        sa.Column("address", KeyText, nullable=False),
        sa.Column("sender", KeyText, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime()),
        sa.Column("applied_at", UTCDateTime(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", KeyText),
        sa.Column("event", KeyText),
        sa.Column("digest", KeyText),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("stated_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint("kind IN ('opted_out', 'opted_in')", name="ck_opt_out_history_kind"),
        sa.CheckConstraint(
            "source IN ('event', 'failure', 'manual', 'import', 'unknown')", name="ck_opt_out_history_source"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ux_opt_out_history_event", "opt_out_history", ["address", "channel", "sender", "digest"], unique=True
    )
    op.create_index("ix_opt_out_history_applied_at", "opt_out_history", ["applied_at"])
    # What was there before this table: as much as its rows still tell. Who ended an opt-out they do not.
    for kind, moment, source, message_id, reason in (
        ("opted_out", "opted_out_at", "source", "message_id", "note"),
        ("opted_in", "opted_in_at", "'unknown'", "NULL", "NULL"),
    ):
        op.execute(
            "INSERT INTO opt_out_history "
            "(channel, address, sender, kind, occurred_at, applied_at, source, message_id, reason) "
            f"SELECT channel, address, sender, '{kind}', {moment}, updated_at, {source}, {message_id}, {reason} "
            f"FROM opt_outs WHERE {moment} IS NOT NULL"
        )
    _keep_for_good()


def _keep_for_good() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_to_change_history() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'opt_out_history is only ever added to'; END $$"
        )
        op.execute(
            "CREATE TRIGGER opt_out_history_stays BEFORE UPDATE OR DELETE ON opt_out_history "
            "FOR EACH ROW EXECUTE FUNCTION refuse_to_change_history()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER opt_out_history_stays_{change.lower()} BEFORE {change} ON opt_out_history "
            "BEGIN SELECT RAISE(ABORT, 'opt_out_history is only ever added to'); END"
        )


def _make_sent_after_opt_out() -> None:
    """Of each message whose status is later than an opt-out of its address: the first such opt-out.

    Not one that a re-subscription ended before the message, and not one that answers the message itself, which was
    sent before it whatever the times say. Any channel and sender of the address counts, as in the look-up.
    """
    seconds = SECONDS[op.get_bind().dialect.name].format("message.status_at", "stop.occurred_at")
    op.execute(
        f"""
        CREATE VIEW sent_after_opt_out AS
        SELECT message_id, channel, address, sender, campaign_id, status, status_at, opted_out_at,
               opt_out_applied_at, opt_out_channel, opt_out_sender, opt_out_source, seconds_after_opt_out
        FROM (
            SELECT message.message_id, message.channel, message.recipient AS address, message.sender,
                   message.campaign_id, message.status, message.status_at,
                   stop.occurred_at AS opted_out_at, stop.applied_at AS opt_out_applied_at,
                   stop.channel AS opt_out_channel, stop.sender AS opt_out_sender, stop.source AS opt_out_source,
                   {seconds} AS seconds_after_opt_out,
                   row_number() OVER (PARTITION BY message.message_id ORDER BY stop.occurred_at, stop.id) AS place
            FROM opt_out_history AS stop
            JOIN message_status AS message
              ON message.recipient = stop.address AND message.status_at > stop.occurred_at
            WHERE stop.kind = 'opted_out'
              AND (stop.message_id IS NULL OR stop.message_id <> message.message_id)
              AND NOT EXISTS (
                  SELECT 1 FROM opt_out_history AS again
                  WHERE again.kind = 'opted_in' AND again.address = stop.address
                    AND again.channel = stop.channel AND again.sender = stop.sender
                    AND again.occurred_at > stop.occurred_at AND again.occurred_at <= message.status_at
              )
        ) AS late
        WHERE place = 1
        """
    )
