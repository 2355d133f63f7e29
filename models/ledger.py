"""`events`, the ledger: one row per fact the provider told us, with the exact bytes it signed."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class LedgerEntry(SQLModel, table=True):
    """One fact. `subject_id` is the message or campaign id, else `sha256:` and the body's digest."""

    __tablename__ = "events"
    __table_args__ = (CheckConstraint("outcome IN ('applied', 'ignored')", name="ck_events_outcome"),)

    subject_id: str = Field(primary_key=True, sa_type=KeyText)
    event: str = Field(primary_key=True, sa_type=KeyText)
    occurred_at: datetime = Field(sa_type=UTCDateTime)
    received_at: datetime = Field(sa_type=UTCDateTime)
    applied_at: datetime = Field(sa_type=UTCDateTime)
    outcome: str = Field(sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)
