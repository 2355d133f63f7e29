"""`outages`: times in which no delivery could be acknowledged, and who has looked after what they cost."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Integer, Text
from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


class Outage(SQLModel, table=True):
    """`began_at` is the last time at which a delivery could be acknowledged; `ended_at` is null while it lasts.

    Which events it cost follows from these two and from when the provider tries again, so it is not stored.
    """

    __tablename__ = "outages"
    __table_args__ = (
        CheckConstraint("kind IN ('no_process', 'no_store')", name="ck_outages_kind"),
        # A number that a person has read names no other outage later.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    began_at: datetime = Field(sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    kind: str = Field(sa_type=Text)
    resolved_by: str | None = Field(default=None, sa_type=Text)
    resolved_reason: str | None = Field(default=None, sa_type=Text)
    resolved_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
