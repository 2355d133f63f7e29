"""`inbox`: events stored in the database, until a worker applies them; normally empty.

While Redis is away the receiver stores every event here. As a journal (`ZEXA_JOURNAL`) it holds each event that
is in the queue as well, and is drained of it only where the queue took too long, or forgot.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary
from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


class Inbox(SQLModel, table=True):
    """`due_at` is when workers begin to take the event from here."""

    __tablename__ = "inbox"
    # A job names the row that holds its event too: no other event may ever have that id.
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    body: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = Field(sa_type=UTCDateTime)
    due_at: datetime = Field(sa_type=UTCDateTime, index=True)
