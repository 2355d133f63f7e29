"""`events`, the ledger: one row per fact that the provider sent, for ever. The signed bytes are in `bodies`."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime

# The hour in which an event was received, in the words in which PostgreSQL shows an index.
_HOUR = "date_bin('01:00:00'::interval, received_at, '2000-01-01 00:00:00+00'::timestamp with time zone)"


class LedgerEntry(SQLModel, table=True):
    """One fact. `subject_id` is the message or campaign id, else `sha256:` and the body's digest.

    If a body names a forgotten person, its digest is a keyed one, `keyed:` and the hash, and so is such a subject.

    Several bodies may have come under one key. The row describes the body that holds: its `digest` (SHA-256, in hex),
    its place in `bodies`, its first receipt, and when it occurred. `is_dated`: the body itself names that time.
    """

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint("outcome IN ('applied', 'ignored')", name="ck_events_outcome"),
        CheckConstraint("origin IN ('signed', 'polled')", name="ck_events_origin"),
        # What no version knew so far: to apply it later, and to count what looks like an opt-out.
        Index(
            "ix_events_ignored",
            "event",
            "subject_id",
            postgresql_where=text("outcome = 'ignored'"),
            sqlite_where=text("outcome = 'ignored'"),
        ),
        # For the report of lags. A block range index is a few pages, and costs an insert nothing; SQLite has none.
        Index(
            "ix_events_received_hour",
            text(_HOUR.replace(":", r"\:")),
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        ).ddl_if(dialect="postgresql"),
    )

    subject_id: str = Field(primary_key=True, sa_type=KeyText)
    event: str = Field(primary_key=True, sa_type=KeyText)
    occurred_at: datetime = Field(sa_type=UTCDateTime)
    received_at: datetime = Field(sa_type=UTCDateTime)
    applied_at: datetime = Field(sa_type=UTCDateTime)
    body_id: int = Field(sa_type=BigInteger)
    is_dated: bool
    outcome: str = Field(sa_type=Text)
    origin: str = Field(default="signed", sa_type=Text, sa_column_kwargs={"server_default": "signed"})
    digest: str = Field(sa_type=KeyText)
