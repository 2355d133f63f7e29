"""The tables that the web process, look-ups and `zexa-sync dev` name, without SQLModel, which takes 14 MB of memory.

They have the columns that are named there, and a test holds each equal to its model's.
"""

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Integer, LargeBinary, MetaData, Table, Text, or_

from models.types import KeyText, UTCDateTime

# Of its own, so that no migration takes them for tables.
_METADATA = MetaData()

INBOX = Table(
    "inbox",
    _METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", UTCDateTime, nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("may_opt_out", Boolean, nullable=False, default=False),
)
DEAD_LETTERS = Table(
    "dead_letters",
    _METADATA,
    Column("digest", KeyText, primary_key=True),
    Column("received_at", UTCDateTime, nullable=False),
    Column("resolved_at", UTCDateTime),
    Column("may_opt_out", Boolean, nullable=False, default=False),
)
NAMELESS_OPT_OUTS = Table(
    "nameless_opt_outs",
    _METADATA,
    Column("subject_id", KeyText, primary_key=True),
    Column("digest", KeyText, primary_key=True),
    Column("received_at", UTCDateTime, nullable=False),
    Column("holds_until", UTCDateTime, nullable=False),
)
MESSAGES = Table("message_status", _METADATA, Column("message_id", KeyText, primary_key=True))
LEDGER = Table(
    "events",
    _METADATA,
    Column("subject_id", KeyText, primary_key=True),
    Column("event", KeyText, primary_key=True),
    Column("outcome", Text, nullable=False),
)
OPT_OUTS = Table(
    "opt_outs",
    _METADATA,
    Column("channel", KeyText, primary_key=True),
    Column("address", KeyText, primary_key=True),
    Column("sender", KeyText, primary_key=True),
    Column("opted_out_at", UTCDateTime, nullable=False),
    Column("opted_in_at", UTCDateTime),
    Column("received_at", UTCDateTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("message_id", KeyText),
    Column("person", KeyText, nullable=False),
)
FORGET_KEYS = Table("forget_keys", _METADATA, Column("key_id", KeyText, primary_key=True))
OUTAGES = Table(
    "outages",
    _METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("began_at", UTCDateTime, nullable=False),
    Column("ended_at", UTCDateTime),
    Column("kind", Text, nullable=False),
    Column("resolved_by", Text),
    Column("resolved_reason", Text),
    Column("resolved_at", UTCDateTime),
)
LAST_REACHABLE = Table(
    "last_reachable",
    _METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("marked_at", UTCDateTime, nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
)
TASKS = Table(
    "tasks",
    _METADATA,
    Column("id", KeyText, primary_key=True),
    Column("asked_at", UTCDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("ended_at", UTCDateTime),
    Column("seen_at", UTCDateTime),
)
# Those that are written while the system runs: events are merged into all but the last four.
WRITTEN = (
    *("bodies", "campaign_status", "dead_letters", "events", "further_bodies", "inbox", "message_status"),
    *("nameless_opt_outs", "opt_out_history", "opt_outs"),
    *("rollup_campaign_quarters", "rollup_campaigns", "rollup_daily", "rollup_deltas"),
    *("outages", "last_reachable", "tasks", "task_files"),
)


def in_force(opt_outs: Table) -> ColumnElement[bool]:
    """Return which rows of `opt_outs` are in force.

    The view `active_opt_outs` and `sync.events.opt_outs.is_in_force` say the same. A test holds the three equal.
    """
    return or_(opt_outs.c.opted_in_at.is_(None), opt_outs.c.opted_in_at <= opt_outs.c.received_at)
