"""`opt_out_history`: every statement about an opt-out. The rows of `opt_outs` follow from these.

Rows are only ever added; triggers refuse to change or delete one. The view `opt_out_statements` adds to each when it
occurred and was received, which for an event the ledger knows.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Computed, Index, Integer, Text
from sqlmodel import Field, SQLModel

from models.types import PERSON_OF_ADDRESS, KeyText, UTCDateTime


class OptOutHistory(SQLModel, table=True):
    """One statement: an opt-out of one address for a channel and a sender ('' is any), or the end of opt-outs.

    The end (`opted_in`) holds for every opt-out of the address within its scope: of this `channel` and this `sender`,
    or of all if null. A statement of an event has the event's name and `digest`. A statement of a person has who
    (`stated_by`) and why (`reason`). `occurred_at` is the time that is stated, null if a body names none; it is not
    judged here. `applied_at` is when the statement took effect. `person` is the same for every spelling of the address,
    and `opt_out_id` for all addresses that one opt-out counts for.
    """

    __tablename__ = "opt_out_history"
    __table_args__ = (
        CheckConstraint("kind IN ('opted_out', 'opted_in')", name="ck_opt_out_history_kind"),
        CheckConstraint("source IN ('event', 'failure', 'manual', 'import')", name="ck_opt_out_history_source"),
        # One body states one thing of an address, however often it is applied. What people state has no digest.
        Index("ux_opt_out_history_event", "address", "channel", "sender", "digest", unique=True),
        Index("ix_opt_out_history_applied_at", "applied_at"),
        Index("ix_opt_out_history_person", "person"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    kind: str = Field(sa_type=Text)
    channel: str | None = Field(default=None, sa_type=KeyText)
    address: str = Field(sa_type=KeyText)
    sender: str | None = Field(default=None, sa_type=KeyText)
    occurred_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    applied_at: datetime = Field(sa_type=UTCDateTime)
    source: str = Field(sa_type=Text)
    message_id: str | None = Field(default=None, sa_type=KeyText)
    event: str | None = Field(default=None, sa_type=KeyText)
    digest: str | None = Field(default=None, sa_type=KeyText)
    stated_by: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    opt_out_id: str | None = Field(default=None, sa_type=KeyText)
    person: str = Field(sa_type=KeyText, sa_column_args=(Computed(PERSON_OF_ADDRESS, persisted=True),))
