"""`rollup_daily`: how the messages of each day ended, counted; one row per day, channel and sender.

The view `report_daily` adds what `rollup_deltas` holds besides. What the rows must come to, counted from
`message_status` itself, is the view `rollup_daily_plain`.
"""

from datetime import date

from sqlalchemy import Date
from sqlmodel import Field, SQLModel

from models.types import KeyText


class RollupDaily(SQLModel, table=True):
    """A message counts on the day, in the time zone of `report_calendar`, on which it got its final status.

    `channel` or `sender` is '' if no event names one. No row has zero messages.
    """

    __tablename__ = "rollup_daily"

    day: date = Field(primary_key=True, sa_type=Date)
    channel: str = Field(primary_key=True, sa_type=KeyText)
    sender: str = Field(primary_key=True, sa_type=KeyText)
    delivered: int
    failed: int
    undeliverable: int
    opt_outs: int
    conflicts: int
