"""The views of the reports as the migrations make them, with the types of their columns.

What each column means is in docs/reporting.md, and on PostgreSQL a comment on the column. A test holds the names equal.
"""

from sqlalchemy import Boolean, Column, Date, Float, Integer, MetaData, Table, Text

from models.types import UTCDateTime

# Of its own, so that no migration takes them for tables.
_METADATA = MetaData()


def _view(name: str, *columns: Column[object]) -> Table:
    return Table(name, _METADATA, *columns)


def _texts(*names: str) -> list[Column[object]]:
    return [Column(name, Text) for name in names]


def _counts(*names: str) -> list[Column[object]]:
    return [Column(name, Integer) for name in names]


def _times(*names: str) -> list[Column[object]]:
    return [Column(name, UTCDateTime) for name in names]


def _numbers(*names: str) -> list[Column[object]]:
    return [Column(name, Float) for name in names]


REPORT_DAILY = _view(
    "report_daily",
    Column("day", Date),
    *_texts("channel", "sender"),
    *_counts("finalised", "delivered", "failed", "undeliverable", "opt_outs", "conflicts"),
    *_numbers("delivery_rate", "opt_out_rate"),
)
REPORT_CAMPAIGNS = _view(
    "report_campaigns",
    *_texts("campaign_id", "name", "channel", "status"),
    *_times("sent_at", "completed_at"),
    *_numbers("duration_seconds"),
    *_counts("message_total", "messages", "finalised", "delivered", "failed", "undeliverable", "unfinished"),
    *_counts("opt_outs", "conflicts", "silent"),
    *_numbers("delivery_rate", "opt_out_rate"),
)
REPORT_FAILURES = _view(
    "report_failures",
    Column("day", Date),
    *_texts("channel", "failure_code", "failure_reason"),
    *_counts("messages", "failures"),
    *_numbers("share"),
    *_times("first_seen_at", "last_seen_at"),
    *_texts("message_id"),
)
REPORT_OPT_OUTS = _view(
    "report_opt_outs",
    Column("day", Date),
    *_texts("channel", "source"),
    *_counts("opt_outs", "in_force", "delivered"),
    *_numbers("opt_out_rate"),
)
REPORT_LAG = _view(
    "report_lag",
    *_times("hour"),
    *_counts("events", "dated"),
    *_numbers("received_p50_seconds", "received_p90_seconds", "received_p99_seconds"),
    *_numbers("applied_p50_seconds", "applied_p90_seconds", "applied_p99_seconds"),
)
REPORT_RECIPIENTS = _view(
    "report_recipients",
    *_texts("channel", "address"),
    *_counts("messages"),
    *_texts("last_status"),
    *_times("last_status_at", "last_delivered_at"),
    *_counts("failures_in_a_row"),
    Column("opted_out", Boolean),
    *_texts("message_id"),
)
REPORT_VIEWS = (REPORT_DAILY, REPORT_CAMPAIGNS, REPORT_FAILURES, REPORT_OPT_OUTS, REPORT_LAG, REPORT_RECIPIENTS)
