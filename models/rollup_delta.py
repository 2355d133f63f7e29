"""`rollup_deltas`: by how much the roll-ups have to change, until they are compacted into them.

Workers only ever append here, so none waits for another; rows that say the same may stand here many times.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Integer
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class RollupDelta(SQLModel, table=True):
    """`quarter_at` begins the quarter of an hour, UTC, in which messages got their final status; null if they
    have none. `channel`, `sender` or `campaign_id` is '' if no event names one."""

    __tablename__ = "rollup_deltas"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    quarter_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    channel: str = Field(sa_type=KeyText)
    sender: str = Field(sa_type=KeyText)
    campaign_id: str = Field(sa_type=KeyText)
    delivered: int
    failed: int
    undeliverable: int
    unfinished: int
    opt_outs: int
    conflicts: int
