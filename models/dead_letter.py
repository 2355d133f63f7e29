"""`dead_letters`: authentic deliveries that could not be applied, kept with the reason until a person
replays or resolves them."""

from datetime import datetime

from sqlalchemy import LargeBinary, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class DeadLetter(SQLModel, table=True):
    """`digest` is the SHA-256 of the body, in hex. `error` never quotes the body."""

    __tablename__ = "dead_letters"

    digest: str = Field(primary_key=True, sa_type=KeyText)
    body: bytes = Field(sa_type=LargeBinary)
    reason: str = Field(sa_type=Text)
    error: str = Field(sa_type=Text)
    received_at: datetime = Field(sa_type=UTCDateTime)
    attempts: int = Field(default=1)
    resolved_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
