"""`last_reachable`: when a web process could acknowledge a delivery for the last time. One row, or none at first.

Redis knows it to a few seconds, and may forget. This row outlives that.
"""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


class LastReachable(SQLModel, table=True):
    """`marked_at` is that time. Until `due_at` there may be later ones that stand in Redis only."""

    __tablename__ = "last_reachable"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    marked_at: datetime = Field(sa_type=UTCDateTime)
    due_at: datetime = Field(sa_type=UTCDateTime)
