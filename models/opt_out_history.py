"""`opt_out_history`: every statement about an opt-out, as it reached us: what `opt_outs` says follows from these.

Rows are only ever added; triggers refuse to change or delete one.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class OptOutHistory(SQLModel, table=True):
    """One statement about the row (`channel`, `address`, `sender`) of `opt_outs`.

    `occurred_at` is the moment it states, `received_at` when an event of it reached us, `applied_at` when it took
    effect here. What an event states has its name, its `digest` and the `body` that was signed; what a person
    states has who (`stated_by`) and why (`reason`).
    """

    __tablename__ = "opt_out_history"
    __table_args__ = (
        CheckConstraint("kind IN ('opted_out', 'opted_in')", name="ck_opt_out_history_kind"),
        CheckConstraint(
            "source IN ('event', 'failure', 'manual', 'import', 'unknown')", name="ck_opt_out_history_source"
        ),
        # One event states one thing of a row, however often it is applied. What people state has no digest.
        Index("ux_opt_out_history_event", "address", "channel", "sender", "digest", unique=True),
        Index("ix_opt_out_history_applied_at", "applied_at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    channel: str = Field(sa_type=KeyText)
    address: str = Field(sa_type=KeyText)
    sender: str = Field(sa_type=KeyText)
    kind: str = Field(sa_type=Text)
    occurred_at: datetime = Field(sa_type=UTCDateTime)
    received_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    applied_at: datetime = Field(sa_type=UTCDateTime)
    source: str = Field(sa_type=Text)
    message_id: str | None = Field(default=None, sa_type=KeyText)
    event: str | None = Field(default=None, sa_type=KeyText)
    digest: str | None = Field(default=None, sa_type=KeyText)
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    stated_by: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
