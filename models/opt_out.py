"""`opt_outs`: who must not be messaged, one row per channel, address and sender.

A row is in force unless it was ended after it was received; the view `active_opt_outs` holds the rows in force.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Computed, Index, Text, text
from sqlmodel import Field, SQLModel

from models.types import PERSON_OF_ADDRESS, KeyText, UTCDateTime


class OptOut(SQLModel, table=True):
    """`channel` or `sender` is '' if the opt-out names none: it then holds for any of them.

    `opted_out_at` and `opted_in_at` are the latest times stated. `received_at` decides whether the row is in force. It
    is the latest first receipt of the opt-outs, or the time that a person or a file states. `person` is the same for
    every spelling of the address. `opt_out_id` is the same for all rows that follow from one opt-out: the digest of its
    body, or a random text.
    """

    __tablename__ = "opt_outs"
    __table_args__ = (
        CheckConstraint("source IN ('event', 'failure', 'manual', 'import')", name="ck_opt_outs_source"),
        Index("ix_opt_outs_address", "address"),
        Index("ix_opt_outs_person", "person"),
        Index(
            "ix_opt_outs_message_id",
            "message_id",
            postgresql_where=text("message_id IS NOT NULL"),
            sqlite_where=text("message_id IS NOT NULL"),
        ),
    )

    channel: str = Field(primary_key=True, sa_type=KeyText)
    address: str = Field(primary_key=True, sa_type=KeyText)
    sender: str = Field(primary_key=True, sa_type=KeyText)
    opted_out_at: datetime = Field(sa_type=UTCDateTime)
    opted_in_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    received_at: datetime = Field(sa_type=UTCDateTime)
    source: str = Field(sa_type=Text)
    message_id: str | None = Field(default=None, sa_type=KeyText)
    note: str | None = Field(default=None, sa_type=Text)
    opt_out_id: str | None = Field(default=None, sa_type=KeyText)
    person: str = Field(sa_type=KeyText, sa_column_args=(Computed(PERSON_OF_ADDRESS, persisted=True),))
    updated_at: datetime = Field(sa_type=UTCDateTime)
