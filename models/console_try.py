"""`console_tries`: wrong passwords of late, so that a client that guesses waits. Rows go after 15 minutes."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class ConsoleTry(SQLModel, table=True):
    """The wrong tries of one user or one client, of which `key` is a digest; the last was at `tried_at`."""

    __tablename__ = "console_tries"

    key: str = Field(primary_key=True, sa_type=KeyText)
    tries: int
    tried_at: datetime = Field(sa_type=UTCDateTime, index=True)
