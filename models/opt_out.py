"""`opt_outs`: who must not be messaged, one row per channel, address and sender.

A row is in force unless it was ended after it was received; the view `active_opt_outs` holds those in force.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class OptOut(SQLModel, table=True):
    """`channel` or `sender` is '' where the opt-out names none: it then holds for any of them.

    `opted_out_at` and `opted_in_at` are the latest times stated. `received_at` is the latest first receipt among the
    opt-outs, or the time that a person or a file states: what decides whether the row is in force.
    """

    __tablename__ = "opt_outs"
    __table_args__ = (
        CheckConstraint("source IN ('event', 'failure', 'manual', 'import')", name="ck_opt_outs_source"),
        Index("ix_opt_outs_address", "address"),
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
    updated_at: datetime = Field(sa_type=UTCDateTime)
