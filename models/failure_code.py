"""`failure_codes`: how failures compare with opt-outs, one row per channel and entry; each count replaces all rows.

`failure_counts` says when that was done. Nobody is opted out by either.
"""

from datetime import datetime

from sqlalchemy import Double, Integer, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class CountedCode(SQLModel, table=True):
    """`entry` is a code or a whole reason as ZEXA_OPT_OUT_FAILURES would name it. `channel` is '' if none is known.

    `addresses` got it and were tried again, `never_again` of these received nothing since, and `received_before` of the
    latter had received before. `at_least` is the share of `never_again` that is sure. `others` got another failure.
    `code` is the entry of the code that a reason always came with; null if the entry is a code itself.
    """

    __tablename__ = "failure_codes"

    channel: str = Field(primary_key=True, sa_type=KeyText)
    entry: str = Field(primary_key=True, sa_type=KeyText)
    code: str | None = Field(default=None, sa_type=Text)
    addresses: int = Field(sa_type=Integer)
    never_again: int = Field(sa_type=Integer)
    received_before: int = Field(sa_type=Integer)
    at_least: float = Field(sa_type=Double)
    others: int = Field(sa_type=Integer)
    others_never_again: int = Field(sa_type=Integer)
    is_proposed: bool


class FailureCount(SQLModel, table=True):
    """The latest count: of failures from `since` to `until`. `opt_out_failures` is the worker's setting.

    One row, or none before the first count.
    """

    __tablename__ = "failure_counts"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    counted_at: datetime = Field(sa_type=UTCDateTime)
    since: datetime = Field(sa_type=UTCDateTime)
    until: datetime = Field(sa_type=UTCDateTime)
    opt_out_failures: str = Field(sa_type=Text)
