"""The whole schema: tables, views, what keeps the history of opt-outs, and a role that reads the reports only.

This file and the views of `migrations/sql` are frozen once a release contains them. A later migration that changes a
view brings its own text.
"""

import logging
import re
import sqlite3
import sys
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from models.types import PERSON_OF_ADDRESS, KeyText, UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
TABLES = (
    "events",
    "bodies",
    "further_bodies",
    "message_status",
    "campaign_status",
    "asked_messages",
    "opt_outs",
    "nameless_opt_outs",
    "opt_out_history",
    "forgotten_people",
    "forget_keys",
    "dead_letters",
    "inbox",
    "rollup_daily",
    "rollup_campaigns",
    "rollup_campaign_quarters",
    "rollup_deltas",
    "report_calendar",
    "console_users",
    "console_tries",
    "audit_log",
    "tasks",
    "task_files",
    "outages",
    "last_reachable",
    "webhook_registrations",
    "failure_codes",
    "failure_counts",
    "zexa_sync_compatibility",
)
# The oldest revision whose code can run on the schema that this migration leaves. A later migration that code of the
# revision before it can run on leaves the mark alone; any other sets it to its own revision.
OLDEST_REVISION = "0001"
REPORTS = "report_daily, report_campaigns, report_failures, report_opt_outs, report_lag, report_recipients"
ROLE = "zexa_reporting"
DAY = timedelta(days=1)

log = logging.getLogger("zexa-sync")


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    views = views_text()
    refuse_foreign_tables({*TABLES, *view_names(views)})
    create_ledger(is_postgresql)
    create_bodies(is_postgresql)
    create_status()
    create_asked_messages()
    create_opt_outs()
    create_opt_out_history()
    create_forgotten_people()
    forbid_changes_of_history(is_postgresql)
    create_waiting()
    create_reports()
    create_console()
    create_audit_log(is_postgresql)
    create_tasks()
    create_outages()
    create_webhook_registrations()
    create_failure_codes()
    create_compatibility()
    for statement in [views] if is_postgresql else statements(views):
        # Nothing in the text is a parameter, even if it looks like one.
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
    if is_postgresql:
        let_the_role_read()


def downgrade() -> None:
    """The role stays, with nothing left to read: it may have been there before, and others may be in it."""
    for view in reversed(view_names(views_text())):
        op.execute(f"DROP VIEW {view}")
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_to_change_history()")
        op.execute("DROP FUNCTION refuse_to_change_audit_log()")


def refuse_foreign_tables(names: set[str]) -> None:
    """End with one line if another application has a table or view of one of these names, before anything is made."""
    bind = op.get_bind()
    # Only in the schema where the tables will be made: PostgreSQL shows tables of other schemas on the search path too.
    schema = bind.scalar(sa.text("SELECT current_schema()")) if bind.dialect.name == "postgresql" else None
    inspector = sa.inspect(bind)
    for kind, present in (("table", inspector.get_table_names(schema)), ("view", inspector.get_view_names(schema))):
        for name in sorted(names.intersection(present)):
            sys.exit(
                f"zexa-sync: the database already has a {kind} named {name} that this program did not make: "
                "use another database or schema"
            )


# Tables


def create_ledger(is_postgresql: bool) -> None:
    op.create_table(
        "events",
        sa.Column("subject_id", KeyText, primary_key=True),
        sa.Column("event", KeyText, primary_key=True),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("applied_at", UTCDateTime(), nullable=False),
        sa.Column("body_id", sa.BigInteger(), nullable=False),
        sa.Column("is_dated", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, server_default="signed"),
        sa.Column("digest", KeyText, nullable=False),
        sa.CheckConstraint("outcome IN ('applied', 'ignored')", name="ck_events_outcome"),
        sa.CheckConstraint("origin IN ('signed', 'polled')", name="ck_events_origin"),
    )
    is_ignored = sa.text("outcome = 'ignored'")
    op.create_index(
        "ix_events_ignored", "events", ["event", "subject_id"], postgresql_where=is_ignored, sqlite_where=is_ignored
    )
    if is_postgresql:
        hour = r"date_bin('1 hour', received_at, TIMESTAMPTZ '2000-01-01 00\:00\:00+00')"
        op.create_index(
            "ix_events_received_hour",
            "events",
            [sa.text(hour)],
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        )


def create_bodies(is_postgresql: bool) -> None:
    op.create_table(
        "bodies",
        automatic_id(),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("subject_id", KeyText, nullable=False),
        sa.Column("event", KeyText, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, server_default="signed"),
        sa.CheckConstraint("origin IN ('signed', 'polled')", name="ck_bodies_origin"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "further_bodies",
        sa.Column("subject_id", KeyText, primary_key=True),
        sa.Column("event", KeyText, primary_key=True),
        sa.Column("digest", KeyText, primary_key=True),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("body_id", sa.BigInteger(), nullable=False),
        sa.Column("is_dated", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, server_default="signed"),
        sa.CheckConstraint("origin IN ('signed', 'polled')", name="ck_further_bodies_origin"),
    )
    if is_postgresql:
        # Block range indexes: a few pages for each hundred million rows, and nothing to do for an insert.
        op.create_index("ix_bodies_received_at", "bodies", ["received_at"], postgresql_using="brin")


def create_status() -> None:
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
    op.create_index("ix_message_status_recipient", "message_status", ["recipient"])
    create_indexes_of_messages()
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
        sa.Column("message_total", sa.Integer()),
        sa.CheckConstraint("status IN ('sent', 'completed')", name="ck_campaign_status_status"),
    )
    op.create_index("ix_campaign_status_updated_at", "campaign_status", ["updated_at", "campaign_id"])
    op.create_index("ix_campaign_status_status", "campaign_status", ["status", "sent_at"])


def create_indexes_of_messages() -> None:
    is_ended = "status IN ('delivered', 'failed', 'undeliverable')"
    has_opted_out = "opted_out_at IS NOT NULL"
    for name, columns, condition in (
        ("campaign_id", ("campaign_id", "status", "message_id"), "campaign_id IS NOT NULL"),
        ("failures", ("status_at", "message_id"), "status IN ('failed', 'undeliverable')"),
        ("ended", ("channel", "status_at", "message_id"), is_ended),
        ("opted_out", ("status_at", "message_id"), has_opted_out),
        ("opted_out_campaign", ("campaign_id", "message_id"), f"{has_opted_out} AND campaign_id IS NOT NULL"),
    ):
        create_index_of_some(f"ix_message_status_{name}", "message_status", columns, condition)


def create_asked_messages() -> None:
    is_unfinished = "status IS NULL OR status IN ('queued', 'sent')"
    create_index_of_some("ix_message_status_unfinished", "message_status", "updated_at", is_unfinished)
    op.create_table(
        "asked_messages",
        sa.Column("message_id", KeyText, primary_key=True),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
    )


def create_opt_outs() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("channel", KeyText, primary_key=True),
        sa.Column("address", KeyText, primary_key=True),
        sa.Column("sender", KeyText, primary_key=True),
        sa.Column("opted_out_at", UTCDateTime(), nullable=False),
        sa.Column("opted_in_at", UTCDateTime()),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", KeyText),
        sa.Column("note", sa.Text()),
        sa.Column("opt_out_id", KeyText),
        sa.Column("person", KeyText, sa.Computed(PERSON_OF_ADDRESS, persisted=True), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("source IN ('event', 'failure', 'manual', 'import')", name="ck_opt_outs_source"),
    )
    op.create_index("ix_opt_outs_address", "opt_outs", ["address"])
    op.create_index("ix_opt_outs_person", "opt_outs", ["person"])
    create_index_of_some("ix_opt_outs_message_id", "opt_outs", "message_id", "message_id IS NOT NULL")
    op.create_table(
        "nameless_opt_outs",
        sa.Column("subject_id", KeyText, primary_key=True),
        sa.Column("digest", KeyText, primary_key=True),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("holds_until", UTCDateTime(), nullable=False),
    )
    op.create_index("ix_nameless_opt_outs_holds_until", "nameless_opt_outs", ["holds_until"])


def create_opt_out_history() -> None:
    op.create_table(
        "opt_out_history",
        automatic_id(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", KeyText),
        sa.Column("address", KeyText, nullable=False),
        sa.Column("sender", KeyText),
        sa.Column("occurred_at", UTCDateTime()),
        sa.Column("applied_at", UTCDateTime(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", KeyText),
        sa.Column("event", KeyText),
        sa.Column("digest", KeyText),
        sa.Column("stated_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("opt_out_id", KeyText),
        sa.Column("person", KeyText, sa.Computed(PERSON_OF_ADDRESS, persisted=True), nullable=False),
        sa.CheckConstraint("kind IN ('opted_out', 'opted_in')", name="ck_opt_out_history_kind"),
        sa.CheckConstraint("source IN ('event', 'failure', 'manual', 'import')", name="ck_opt_out_history_source"),
        sqlite_autoincrement=True,
    )
    columns = ["address", "channel", "sender", "digest"]
    op.create_index("ux_opt_out_history_event", "opt_out_history", columns, unique=True)
    op.create_index("ix_opt_out_history_applied_at", "opt_out_history", ["applied_at"])
    op.create_index("ix_opt_out_history_person", "opt_out_history", ["person"])


def create_forgotten_people() -> None:
    op.create_table(
        "forgotten_people",
        automatic_id(),
        sa.Column("pseudonym", KeyText, nullable=False, unique=True),
        sa.Column("key_id", KeyText, nullable=False),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.Column("forgotten_at", UTCDateTime(), nullable=False),
        sa.Column("is_erasing", sa.Boolean(), nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    op.create_table("forget_keys", sa.Column("key_id", KeyText, primary_key=True))


def forbid_changes_of_history(is_postgresql: bool) -> None:
    """Let rows of `opt_out_history` be added, and neither changed nor deleted, unless a person is being forgotten.

    Then too what was stated, by whose word and when stays as it is. Of the rest nothing but hashes may take the place.
    """
    stays = ("id", "kind", "channel", "occurred_at", "applied_at", "source")
    hashes = [
        *((name, "forgotten:") for name in ("address", "sender")),
        *((name, "keyed:") for name in ("message_id", "event", "digest", "opt_out_id")),
        *((name, "(erased)") for name in ("stated_by", "reason")),
    ]
    is_other = "IS DISTINCT FROM" if is_postgresql else "IS NOT"
    is_changed = " OR ".join(
        [
            *(f"NEW.{name} {is_other} OLD.{name}" for name in stays),
            *(
                f"(NEW.{name} {is_other} OLD.{name} AND substr(coalesce(NEW.{name}, ''), 1, {len(begin)}) <> '{begin}')"
                for name, begin in hashes
            ),
        ]
    )
    is_allowed = "EXISTS (SELECT 1 FROM forgotten_people WHERE is_erasing)"
    if is_postgresql:
        op.execute(
            "CREATE FUNCTION refuse_to_change_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NOT {is_allowed} THEN RAISE EXCEPTION 'opt_out_history is only ever added to'; END IF; "
            "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; "
            f"IF {is_changed} THEN RAISE EXCEPTION 'opt_out_history is only ever added to'; END IF; "
            "RETURN NEW; END $$"
        )
        op.execute(
            "CREATE TRIGGER opt_out_history_stays BEFORE UPDATE OR DELETE ON opt_out_history "
            "FOR EACH ROW EXECUTE FUNCTION refuse_to_change_history()"
        )
        return
    for change, condition in (("UPDATE", f"NOT {is_allowed} OR {is_changed}"), ("DELETE", f"NOT {is_allowed}")):
        op.execute(
            f"CREATE TRIGGER opt_out_history_stays_{change.lower()} BEFORE {change} ON opt_out_history "
            f"BEGIN SELECT RAISE(ABORT, 'opt_out_history is only ever added to') WHERE {condition}; END"
        )


def create_waiting() -> None:
    """Create the tables of what is not merged: dead letters, and the inbox."""
    op.create_table(
        "dead_letters",
        sa.Column("digest", KeyText, primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("resolved_at", UTCDateTime()),
        sa.Column("may_opt_out", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    create_index_of_some(
        "ix_dead_letters_may_opt_out", "dead_letters", "received_at", "may_opt_out AND resolved_at IS NULL"
    )
    create_index_of_some("ix_dead_letters_unresolved", "dead_letters", "received_at", "resolved_at IS NULL")
    op.create_index("ix_dead_letters_received_at", "dead_letters", ["received_at", "digest"])
    op.create_table(
        "inbox",
        automatic_id(),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("may_opt_out", sa.Boolean(), nullable=False, server_default=sa.false()),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])
    op.create_index("ix_inbox_due_at", "inbox", ["due_at"])
    create_index_of_some("ix_inbox_may_opt_out", "inbox", "received_at", "may_opt_out")


def create_reports() -> None:
    """Create the roll-ups, and fill the calendar that says which moments belong to which day."""
    op.create_table(
        "rollup_daily",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("channel", KeyText, primary_key=True),
        sa.Column("sender", KeyText, primary_key=True),
        *counts("delivered", "failed", "undeliverable", "opt_outs", "conflicts"),
    )
    op.create_table(
        "rollup_campaigns",
        sa.Column("campaign_id", KeyText, primary_key=True),
        *counts("delivered", "failed", "undeliverable", "unfinished", "opt_outs", "conflicts"),
    )
    op.create_table(
        "rollup_campaign_quarters",
        sa.Column("campaign_id", KeyText, primary_key=True),
        sa.Column("quarter_at", UTCDateTime(), primary_key=True),
        *counts("delivered", "failed", "undeliverable"),
    )
    op.create_table(
        "rollup_deltas",
        automatic_id(),
        sa.Column("quarter_at", UTCDateTime()),
        sa.Column("channel", KeyText, nullable=False),
        sa.Column("sender", KeyText, nullable=False),
        sa.Column("campaign_id", KeyText, nullable=False),
        *counts("delivered", "failed", "undeliverable", "unfinished", "opt_outs", "conflicts"),
    )
    report_calendar = op.create_table(
        "report_calendar",
        sa.Column("begins_at", UTCDateTime(), primary_key=True),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("offset_seconds", sa.Integer(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
    )
    config = op.get_context().config
    assert config is not None
    op.bulk_insert(report_calendar, calendar(config.attributes["report_timezone"]))


def create_console() -> None:
    """Create the tables of the console: its people, and their wrong tries."""
    op.create_table(
        "console_users",
        sa.Column("name", KeyText, primary_key=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("is_disabled", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("signed_in_at", UTCDateTime()),
        sa.Column("link_digest", KeyText),
        sa.Column("link_kind", sa.Text()),
        sa.Column("link_ends_at", UTCDateTime()),
        sa.Column("session_generation", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator')", name="ck_console_users_role"),
        sa.CheckConstraint("link_kind IN ('password', 'sign_in')", name="ck_console_users_link_kind"),
    )
    op.create_table(
        "console_tries",
        sa.Column("key", KeyText, primary_key=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tried_at", UTCDateTime(), nullable=False),
    )
    op.create_index("ix_console_tries_tried_at", "console_tries", ["tried_at"])


def create_audit_log(is_postgresql: bool) -> None:
    """Create the log of what people did in the console, which is only ever added to."""
    op.create_table(
        "audit_log",
        automatic_id(),
        sa.Column("done_at", UTCDateTime(), nullable=False),
        sa.Column("name", KeyText, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sqlite_autoincrement=True,
    )
    if is_postgresql:
        op.execute(
            "CREATE FUNCTION refuse_to_change_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN RAISE EXCEPTION 'audit_log is only ever added to'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE ON audit_log "
            "FOR EACH ROW EXECUTE FUNCTION refuse_to_change_audit_log()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_log_stays_{change.lower()} BEFORE {change} ON audit_log "
            "BEGIN SELECT RAISE(ABORT, 'audit_log is only ever added to'); END"
        )


def create_tasks() -> None:
    """Create the tables of what people ask for in the console and a worker does."""
    op.create_table(
        "tasks",
        sa.Column("id", KeyText, primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asked_by", KeyText, nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("begun_at", UTCDateTime()),
        sa.Column("ended_at", UTCDateTime()),
        sa.Column("seen_at", UTCDateTime()),
        sa.Column("holder", KeyText),
        *counts("deaths", "steps_done"),
        sa.Column("steps_total", sa.Integer()),
        sa.Column("bookmark", sa.Text()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text()),
        sa.Column("resolved_at", UTCDateTime()),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name="ck_tasks_state"),
    )
    create_index_of_some("ix_tasks_open", "tasks", "asked_at", "ended_at IS NULL")
    op.create_index("ix_tasks_asked_at", "tasks", ["asked_at", "id"])
    op.create_table(
        "task_files",
        sa.Column("task_id", KeyText, primary_key=True),
        sa.Column("name", KeyText, primary_key=True),
        sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("name IN ('input', 'output')", name="ck_task_files_name"),
    )


def create_outages() -> None:
    op.create_table(
        "outages",
        automatic_id(),
        sa.Column("began_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("resolved_by", sa.Text()),
        sa.Column("resolved_reason", sa.Text()),
        sa.Column("resolved_at", UTCDateTime()),
        sa.CheckConstraint("kind IN ('no_process', 'no_store')", name="ck_outages_kind"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "last_reachable",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("marked_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
    )


def create_webhook_registrations() -> None:
    op.create_table(
        "webhook_registrations",
        automatic_id(),
        sa.Column("url", KeyText, nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("traffic_at", UTCDateTime()),
        sa.Column("webhook_id", KeyText),
        sa.Column("registered_at", UTCDateTime()),
        sa.Column("proved_at", UTCDateTime()),
        sa.Column("proved_by", sa.Text()),
        sa.Column("secret", KeyText),
        sa.Column("replaced_at", UTCDateTime()),
        sa.Column("deleted_at", UTCDateTime()),
        sa.CheckConstraint("proved_by IN ('test_event', 'delivery')", name="ck_webhook_registrations_proved_by"),
        sqlite_autoincrement=True,
    )
    is_open = sa.text("webhook_id IS NULL AND replaced_at IS NULL")
    op.create_index(
        "ux_webhook_registrations_open",
        "webhook_registrations",
        ["url"],
        unique=True,
        postgresql_where=is_open,
        sqlite_where=is_open,
    )


def create_failure_codes() -> None:
    op.create_table(
        "failure_codes",
        sa.Column("channel", KeyText, primary_key=True),
        sa.Column("entry", KeyText, primary_key=True),
        sa.Column("code", sa.Text()),
        *counts("addresses", "never_again", "received_before"),
        sa.Column("at_least", sa.Double(), nullable=False),
        *counts("others", "others_never_again"),
        sa.Column("is_proposed", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "failure_counts",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        *(sa.Column(name, UTCDateTime(), nullable=False) for name in ("counted_at", "since", "until")),
        sa.Column("opt_out_failures", sa.Text(), nullable=False),
    )


def create_compatibility() -> None:
    compatibility = op.create_table("zexa_sync_compatibility", sa.Column("oldest_revision", KeyText, primary_key=True))
    op.bulk_insert(compatibility, [{"oldest_revision": OLDEST_REVISION}])


def automatic_id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def counts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def create_index_of_some(name: str, table: str, columns: str | tuple[str, ...], condition: str) -> None:
    names = [columns] if isinstance(columns, str) else list(columns)
    op.create_index(name, table, names, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))


def calendar(timezone: str) -> list[dict[str, Any]]:
    """Return the spans of time in which clocks of `timezone` keep one offset from UTC, exact to the minute.

    There are no events from before 2000, so the first offset of that year stands for all time before it.
    """
    zone, moment, last = ZoneInfo(timezone), datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    begins = [(datetime(1900, 1, 1, tzinfo=UTC), moment.astimezone(zone).utcoffset())]
    while moment < last:
        offset = (moment + DAY).astimezone(zone).utcoffset()
        if offset != begins[-1][1]:
            begins.append((first_minute(zone, moment, offset), offset))
        moment += DAY
    ends = [begin for begin, _ in begins[1:]] + [last]
    return [
        {
            "begins_at": begin,
            "ends_at": end,
            "offset_seconds": int((offset or timedelta()).total_seconds()),
            "timezone": timezone,
        }
        for (begin, offset), end in zip(begins, ends, strict=True)
    ]


def first_minute(zone: ZoneInfo, day: datetime, offset: timedelta | None) -> datetime:
    """Return the first minute of the 24 hours after `day` that has this offset."""

    def has_offset(minute: int) -> bool:
        return (day + timedelta(minutes=minute)).astimezone(zone).utcoffset() == offset

    return day + timedelta(minutes=bisect_left(range(24 * 60), True, key=has_offset))


# Views


def views_text() -> str:
    return (SQL / f"views_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")


def view_names(views: str) -> list[str]:
    return re.findall(r"^CREATE VIEW (\w+)", views, re.MULTILINE)


def statements(script: str) -> Iterator[str]:
    """Yield the statements one by one: SQLite's driver takes no more at once inside a transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def let_the_role_read() -> None:
    """Make the role unless it is there, and let it read the reports. If we may not make it, say so and go on."""
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
    bind.execute(sa.text(f"GRANT SELECT ON {REPORTS} TO {ROLE}"))
