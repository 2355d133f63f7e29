"""`inbox`: events accepted while Redis was away, until a worker applies them. Normally empty."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary
from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


class Inbox(SQLModel, table=True):
    __tablename__ = "inbox"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    body: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = Field(sa_type=UTCDateTime)
