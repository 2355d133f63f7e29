"""`further_bodies`: the bodies that do not hold, of the few facts that came with several different bodies."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class FurtherBody(SQLModel, table=True):
    """One body of the fact (`subject_id`, `event`), beside the body in `events`, with the same columns."""

    __tablename__ = "further_bodies"
    __table_args__ = (CheckConstraint("origin IN ('signed', 'polled')", name="ck_further_bodies_origin"),)

    subject_id: str = Field(primary_key=True, sa_type=KeyText)
    event: str = Field(primary_key=True, sa_type=KeyText)
    digest: str = Field(primary_key=True, sa_type=KeyText)
    occurred_at: datetime = Field(sa_type=UTCDateTime)
    received_at: datetime = Field(sa_type=UTCDateTime)
    body_id: int = Field(sa_type=BigInteger)
    is_dated: bool
    origin: str = Field(default="signed", sa_type=Text, sa_column_kwargs={"server_default": "signed"})
