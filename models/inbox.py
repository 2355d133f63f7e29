"""`inbox`: events stored in the database, until a worker applies them; normally empty.

While Redis is away the receiver stores every event here. As a journal (`ZEXA_JOURNAL`) the inbox holds each event
that is in the queue as well. Such an event is drained from here only if the queue took too long, or forgot it.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, false, text
from sqlmodel import Field, SQLModel

from models.types import UTCDateTime


class Inbox(SQLModel, table=True):
    """`due_at` is when workers begin to take the event from here; `may_opt_out`, whether they take it first."""

    __tablename__ = "inbox"
    # A job names the row that holds its event too: no other event may ever have that id.
    __table_args__ = (
        Index(
            "ix_inbox_may_opt_out",
            "received_at",
            postgresql_where=text("may_opt_out"),
            sqlite_where=text("may_opt_out"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    body: bytes = Field(sa_type=LargeBinary)
    received_at: datetime = Field(sa_type=UTCDateTime, index=True)
    due_at: datetime = Field(sa_type=UTCDateTime, index=True)
    may_opt_out: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
