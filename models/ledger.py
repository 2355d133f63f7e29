"""`events`, the ledger: one row per fact the provider told us, with the exact bytes it signed."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime

# The hour in which an event was received, in the words in which PostgreSQL tells an index.
_HOUR = "date_bin('01:00:00'::interval, received_at, '2000-01-01 00:00:00+00'::timestamp with time zone)"


class LedgerEntry(SQLModel, table=True):
    """One fact. `subject_id` is the message or campaign id, else `sha256:` and the body's digest."""

    __tablename__ = "events"
    __table_args__ = (
        CheckConstraint("outcome IN ('applied', 'ignored')", name="ck_events_outcome"),
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
    outcome: str = Field(sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)
