"""`audit_log`: what people did in the console, and what was done about them. Rows are only ever added."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class AuditEntry(SQLModel, table=True):
    """`name` did `action` at `done_at`. `subject` says to what by an id, and never has an address."""

    __tablename__ = "audit_log"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    done_at: datetime = Field(sa_type=UTCDateTime)
    name: str = Field(sa_type=KeyText)
    action: str = Field(sa_type=Text)
    subject: str | None = Field(default=None, sa_type=Text)
