"""Roll-ups of what became of the messages, the views of the reports, and a role that may read these only."""

import json
import logging
import os

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from migrations.report_comments_0004 import COMMENTS
from migrations.report_views_0004 import Views
from models.types import KeyText, UTCDateTime
from sync.events import message_total
from sync.reports.calendar import calendar
from sync.settings import read_report_timezone

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROLE = "zexa_reporting"

log = logging.getLogger("zexa-sync")


def upgrade() -> None:
    _create_tables()
    op.create_index(
        "ix_message_status_failures",
        "message_status",
        ["status_at"],
        postgresql_where=sa.text("status IN ('failed', 'undeliverable')"),
        sqlite_where=sa.text("status IN ('failed', 'undeliverable')"),
    )
    op.add_column("campaign_status", sa.Column("message_total", sa.Integer()))
    _read_totals()
    dialect = op.get_bind().dialect.name
    for statement in Views(dialect).statements():
        op.execute(_literally(statement))
    for name in ("rollup_daily", "rollup_campaigns"):
        # The columns of a view and of its table have the same names in the same order.
        op.execute(f"INSERT INTO {name} SELECT * FROM {name}_plain")
    if dialect == "postgresql":
        # A few pages for each hundred million rows, and nothing to do for an insert.
        op.execute(
            _literally(
                "CREATE INDEX ix_events_received_hour ON events USING brin "
                "(date_bin('1 hour', received_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')) WITH (autosummarize = on)"
            )
        )
        _comment()
        _let_the_role_read()


def _create_tables() -> None:
    counts = ("delivered", "failed", "undeliverable", "unfinished", "opt_outs", "conflicts")

    def columns(*names: str) -> list[sa.Column[int]]:
        return [sa.Column(name, sa.Integer(), nullable=False) for name in names]

    op.create_table(
        "rollup_daily",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("channel", KeyText, primary_key=True),
        sa.Column("sender", KeyText, primary_key=True),
        *columns(*(name for name in counts if name != "unfinished")),
    )
    op.create_table("rollup_campaigns", sa.Column("campaign_id", KeyText, primary_key=True), *columns(*counts))
    op.create_table(
        "rollup_deltas",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("quarter_at", UTCDateTime()),
        sa.Column("channel", KeyText, nullable=False),
        sa.Column("sender", KeyText, nullable=False),
        sa.Column("campaign_id", KeyText, nullable=False),
        *columns(*counts),
    )
    made = op.create_table(
        "report_calendar",
        sa.Column("begins_at", UTCDateTime(), primary_key=True),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("offset_seconds", sa.Integer(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
    )
    op.bulk_insert(made, [dict(row) for row in calendar(read_report_timezone(os.environ))])


def _read_totals() -> None:
    """Fill `message_total` from what the campaigns' events told."""
    bind = op.get_bind()
    told = bind.execute(sa.text("SELECT campaign_id, details FROM campaign_status")).all()
    totals = [{"of": campaign_id, "total": message_total(json.loads(details))} for campaign_id, details in told]
    known = [row for row in totals if row["total"] is not None]
    if known:
        bind.execute(sa.text("UPDATE campaign_status SET message_total = :total WHERE campaign_id = :of"), known)


def _literally(statement: str) -> str:
    """Return a statement in which no colon begins a parameter."""
    return statement.replace(":", r"\:")


def _comment() -> None:
    for view, (about, columns) in COMMENTS.items():
        op.execute(_literally(f"COMMENT ON VIEW {view} IS {_quoted(about)}"))
        for column, text in columns.items():
            op.execute(_literally(f"COMMENT ON COLUMN {view}.{column} IS {_quoted(text)}"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _let_the_role_read() -> None:
    """Make the role unless it is there, and let it read the views. Where we may not, say so and go on."""
    bind = op.get_bind()
    if not bind.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": ROLE}).first():
        try:
            with bind.begin_nested():
                bind.execute(sa.text(f"CREATE ROLE {ROLE} NOLOGIN"))
        except DBAPIError as error:
            if not bind.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": ROLE}).first():
                kind = type(error.orig or error).__name__
                log.warning("the role %s was not made (%s); docs/reporting.md says how to make it later", ROLE, kind)
                return
    schema = bind.execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    try:
        with bind.begin_nested():
            bind.execute(sa.text(f"GRANT USAGE ON SCHEMA {schema} TO {ROLE}"))
    except DBAPIError:
        log.warning("the role %s was not given the schema, which everybody may use unless that was changed", ROLE)
    bind.execute(sa.text(f"GRANT SELECT ON {', '.join(COMMENTS)} TO {ROLE}"))


def downgrade() -> None:
    """The role stays, with nothing left to read: it may have been there before, and others may be in it."""
    bind = op.get_bind()
    for statement in reversed(Views(bind.dialect.name).statements()):
        op.execute(f"DROP VIEW {statement.split()[2]}")
    if bind.dialect.name == "postgresql":
        op.drop_index("ix_events_received_hour", "events")
    op.drop_index("ix_message_status_failures", "message_status")
    op.drop_column("campaign_status", "message_total")
    for table in ("report_calendar", "rollup_deltas", "rollup_campaigns", "rollup_daily"):
        op.drop_table(table)
