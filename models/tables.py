"""The tables as SQLAlchemy Core has them, for statements that are written by hand. Each stands here once.

Every process but the migrations loads these and not the models. SQLModel, which the models need, takes 14 MB of memory
and half of the processor time of a start. They say what statements need: names, types, keys and defaults. What else a
table has, such as constraints and indexes, its model says. A test holds each table equal to its model.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Computed, Date, Double, Integer, LargeBinary, MetaData, Table, Text

from models.types import PERSON_OF_ADDRESS, KeyText, UTCDateTime

# Of its own: tables are made from the models.
METADATA = MetaData()
SERIAL = BigInteger().with_variant(Integer, "sqlite")


def _table(name: str, *columns: list[Column[Any]]) -> Table:
    return Table(name, METADATA, *(column for group in columns for column in group))


def _columns(kind: Any, *names: str, **more: Any) -> list[Column[Any]]:
    return [Column(name, kind, **more) for name in names]


LEDGER = _table(
    "events",
    _columns(KeyText, "subject_id", "event", primary_key=True),
    _columns(UTCDateTime, "occurred_at", "received_at", "applied_at"),
    _columns(BigInteger, "body_id"),
    _columns(Boolean, "is_dated"),
    _columns(Text, "outcome"),
    _columns(Text, "origin", default="signed"),
    _columns(KeyText, "digest"),
)
BODIES = _table(
    "bodies",
    _columns(SERIAL, "id", primary_key=True),
    _columns(UTCDateTime, "received_at"),
    _columns(KeyText, "subject_id", "event"),
    _columns(LargeBinary, "body"),
    _columns(Text, "origin", default="signed"),
)
FURTHER_BODIES = _table(
    "further_bodies",
    _columns(KeyText, "subject_id", "event", "digest", primary_key=True),
    _columns(UTCDateTime, "occurred_at", "received_at"),
    _columns(BigInteger, "body_id"),
    _columns(Boolean, "is_dated"),
    _columns(Text, "origin", default="signed"),
)
MESSAGES = _table(
    "message_status",
    _columns(KeyText, "message_id", primary_key=True),
    _columns(Text, "channel"),
    _columns(KeyText, "recipient", "sender", "campaign_id"),
    _columns(Text, "status"),
    _columns(UTCDateTime, "status_at", "delivered_at", "failed_at"),
    _columns(Text, "failure_code", "failure_reason"),
    _columns(UTCDateTime, "opted_out_at"),
    _columns(Boolean, "conflict", default=False),
    _columns(UTCDateTime, "updated_at"),
)
CAMPAIGNS = _table(
    "campaign_status",
    _columns(KeyText, "campaign_id", primary_key=True),
    _columns(Text, "status"),
    _columns(UTCDateTime, "sent_at", "completed_at"),
    _columns(Text, "name", "channel", "details"),
    _columns(UTCDateTime, "updated_at"),
    _columns(Integer, "message_total"),
)
ASKED_MESSAGES = _table(
    "asked_messages",
    _columns(KeyText, "message_id", primary_key=True),
    _columns(UTCDateTime, "asked_at"),
    _columns(Integer, "times"),
)
OPT_OUTS = _table(
    "opt_outs",
    _columns(KeyText, "channel", "address", "sender", primary_key=True),
    _columns(UTCDateTime, "opted_out_at", "opted_in_at", "received_at"),
    _columns(Text, "source"),
    _columns(KeyText, "message_id"),
    _columns(Text, "note"),
    _columns(KeyText, "opt_out_id"),
    [Column("person", KeyText, Computed(PERSON_OF_ADDRESS, persisted=True))],
    _columns(UTCDateTime, "updated_at"),
)
HISTORY = _table(
    "opt_out_history",
    _columns(SERIAL, "id", primary_key=True),
    _columns(Text, "kind"),
    _columns(KeyText, "channel", "address", "sender"),
    _columns(UTCDateTime, "occurred_at", "applied_at"),
    _columns(Text, "source"),
    _columns(KeyText, "message_id", "event", "digest"),
    _columns(Text, "stated_by", "reason"),
    _columns(KeyText, "opt_out_id"),
    [Column("person", KeyText, Computed(PERSON_OF_ADDRESS, persisted=True))],
)
FORGOTTEN_PEOPLE = _table(
    "forgotten_people",
    _columns(SERIAL, "id", primary_key=True),
    _columns(KeyText, "pseudonym", "key_id"),
    _columns(Text, "marks"),
    _columns(UTCDateTime, "forgotten_at"),
    _columns(Boolean, "is_erasing", default=False),
)
NAMELESS_OPT_OUTS = _table(
    "nameless_opt_outs",
    _columns(KeyText, "subject_id", "digest", primary_key=True),
    _columns(UTCDateTime, "received_at", "holds_until"),
)
DEAD_LETTERS = _table(
    "dead_letters",
    _columns(KeyText, "digest", primary_key=True),
    _columns(LargeBinary, "body"),
    _columns(Text, "reason", "error"),
    _columns(UTCDateTime, "received_at"),
    _columns(Integer, "attempts", default=1),
    _columns(UTCDateTime, "resolved_at"),
    _columns(Boolean, "may_opt_out", default=False),
)
INBOX = _table(
    "inbox",
    _columns(SERIAL, "id", primary_key=True),
    _columns(LargeBinary, "body"),
    _columns(UTCDateTime, "received_at", "due_at"),
    _columns(Boolean, "may_opt_out", default=False),
)
OUTAGES = _table(
    "outages",
    _columns(SERIAL, "id", primary_key=True),
    _columns(UTCDateTime, "began_at", "ended_at"),
    _columns(Text, "kind", "resolved_by", "resolved_reason"),
    _columns(UTCDateTime, "resolved_at"),
)
FAILURE_CODES = _table(
    "failure_codes",
    _columns(KeyText, "channel", "entry", primary_key=True),
    _columns(Text, "code"),
    _columns(Integer, "addresses", "never_again", "received_before"),
    _columns(Double, "at_least"),
    _columns(Integer, "others", "others_never_again"),
    _columns(Boolean, "is_proposed"),
)
FAILURE_COUNTS = _table(
    "failure_counts",
    _columns(Integer, "id", primary_key=True, autoincrement=False),
    _columns(UTCDateTime, "counted_at", "since", "until"),
    _columns(Text, "opt_out_failures"),
)
REPORT_CALENDAR = _table(
    "report_calendar",
    _columns(UTCDateTime, "begins_at", primary_key=True),
    _columns(UTCDateTime, "ends_at"),
    _columns(Integer, "offset_seconds"),
    _columns(Text, "timezone"),
)
ROLLUP_CAMPAIGN_QUARTERS = _table(
    "rollup_campaign_quarters",
    _columns(KeyText, "campaign_id", primary_key=True),
    _columns(UTCDateTime, "quarter_at", primary_key=True),
    _columns(Integer, "delivered", "failed", "undeliverable"),
)
ROLLUP_CAMPAIGNS = _table(
    "rollup_campaigns",
    _columns(KeyText, "campaign_id", primary_key=True),
    _columns(Integer, "delivered", "failed", "undeliverable", "unfinished", "opt_outs", "conflicts"),
)
ROLLUP_DAILY = _table(
    "rollup_daily",
    _columns(Date, "day", primary_key=True),
    _columns(KeyText, "channel", "sender", primary_key=True),
    _columns(Integer, "delivered", "failed", "undeliverable", "opt_outs", "conflicts"),
)
ROLLUP_DELTAS = _table(
    "rollup_deltas",
    _columns(SERIAL, "id", primary_key=True),
    _columns(UTCDateTime, "quarter_at"),
    _columns(KeyText, "channel", "sender", "campaign_id"),
    _columns(Integer, "delivered", "failed", "undeliverable", "unfinished", "opt_outs", "conflicts"),
)
CONSOLE_USERS = _table(
    "console_users",
    _columns(KeyText, "name", primary_key=True),
    _columns(Text, "role", "password_hash"),
    _columns(Boolean, "is_disabled", default=False),
    _columns(UTCDateTime, "created_at", "signed_in_at"),
    _columns(KeyText, "link_digest"),
    _columns(Text, "link_kind"),
    _columns(UTCDateTime, "link_ends_at"),
    _columns(BigInteger, "session_generation"),
)
CONSOLE_TRIES = _table(
    "console_tries",
    _columns(KeyText, "key", primary_key=True),
    _columns(Integer, "tries"),
    _columns(UTCDateTime, "tried_at"),
)
AUDIT_LOG = _table(
    "audit_log",
    _columns(SERIAL, "id", primary_key=True),
    _columns(UTCDateTime, "done_at"),
    _columns(KeyText, "name"),
    _columns(Text, "action", "subject"),
)
TASKS = _table(
    "tasks",
    _columns(KeyText, "id", primary_key=True),
    _columns(Text, "kind"),
    _columns(KeyText, "asked_by"),
    _columns(UTCDateTime, "asked_at"),
    _columns(Text, "parameters", "state"),
    _columns(UTCDateTime, "begun_at", "ended_at", "seen_at"),
    _columns(KeyText, "holder"),
    _columns(Integer, "deaths", "steps_done", "steps_total"),
    _columns(Text, "bookmark", "outcome", "failure"),
    _columns(UTCDateTime, "resolved_at"),
)
TASK_FILES = _table(
    "task_files",
    _columns(KeyText, "task_id", "name", primary_key=True),
    _columns(Integer, "part", primary_key=True),
    _columns(LargeBinary, "content"),
)
WEBHOOK_REGISTRATIONS = _table(
    "webhook_registrations",
    _columns(SERIAL, "id", primary_key=True),
    _columns(KeyText, "url"),
    _columns(Text, "events"),
    _columns(UTCDateTime, "asked_at", "traffic_at"),
    _columns(KeyText, "webhook_id"),
    _columns(UTCDateTime, "registered_at", "proved_at"),
    _columns(Text, "proved_by"),
    _columns(KeyText, "secret"),
    _columns(UTCDateTime, "replaced_at", "deleted_at"),
)
FORGET_KEYS = _table("forget_keys", _columns(KeyText, "key_id", primary_key=True))
COMPATIBILITY = _table("zexa_sync_compatibility", _columns(KeyText, "oldest_revision", primary_key=True))
LAST_REACHABLE = _table(
    "last_reachable",
    _columns(Integer, "id", primary_key=True, autoincrement=False),
    _columns(UTCDateTime, "marked_at", "due_at"),
)
