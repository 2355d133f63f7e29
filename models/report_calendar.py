"""`report_calendar`: which times belong to which day of the reports: the offsets of one time zone.

It is filled when the roll-ups are made, and says which time zone they were made with.
"""

from datetime import datetime

from sqlalchemy import Integer, Text
from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


class ReportCalendar(SQLModel, table=True):
    """From `begins_at` until before `ends_at` clocks of `timezone` (an IANA name) are `offset_seconds` ahead of UTC.

    Without gaps from 1900 to 2100; no event is from outside.
    """

    __tablename__ = "report_calendar"

    begins_at: datetime = Field(primary_key=True, sa_type=UTCDateTime)
    ends_at: datetime = Field(sa_type=UTCDateTime)
    offset_seconds: int = Field(sa_type=Integer)
    timezone: str = Field(sa_type=Text)
