"""`bodies`: every distinct body that was signed, byte for byte, and every distinct answer that was asked for.

Nothing else holds what the provider said.

Bodies can go, by age or by person, without touching the ledger's keys.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class Body(SQLModel, table=True):
    """One body, of the fact (`subject_id`, `event`); `received_at` is its earliest receipt.

    Of a body that names a forgotten person it is what remains (`sync.events.remains`).
    `events.body_id`, or `further_bodies.body_id` if another body holds, is where it is found.
    """

    __tablename__ = "bodies"
    # A block range index is a few pages, and costs an insert nothing; SQLite has none and reads the table.
    __table_args__ = (
        CheckConstraint("origin IN ('signed', 'polled')", name="ck_bodies_origin"),
        Index("ix_bodies_received_at", "received_at", postgresql_using="brin").ddl_if(dialect="postgresql"),
        # An id that was used stays used: a row of the ledger may name it after the body has gone.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    received_at: datetime = Field(sa_type=UTCDateTime)
    subject_id: str = Field(sa_type=KeyText)
    event: str = Field(sa_type=KeyText)
    body: bytes = Field(sa_type=LargeBinary)
    origin: str = Field(default="signed", sa_type=Text, sa_column_kwargs={"server_default": "signed"})
