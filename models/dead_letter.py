"""`dead_letters`: authentic deliveries that could not be applied, kept with the reason until a person
replays or resolves them."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, Text, false, text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class DeadLetter(SQLModel, table=True):
    """`digest` is the SHA-256 of the body, in hex. `error` never quotes the body.

    `may_opt_out`: the body cannot be read, and as far as it shows, it may say that somebody has opted out.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index(
            "ix_dead_letters_may_opt_out",
            "received_at",
            postgresql_where=text("may_opt_out AND resolved_at IS NULL"),
            sqlite_where=text("may_opt_out AND resolved_at IS NULL"),
        ),
        Index("ix_dead_letters_received_at", "received_at", "digest"),
        # Resolved ones stay, however many: those that wait are counted at every scrape of the measurements.
        Index(
            "ix_dead_letters_unresolved",
            "received_at",
            postgresql_where=text("resolved_at IS NULL"),
            sqlite_where=text("resolved_at IS NULL"),
        ),
    )

    digest: str = Field(primary_key=True, sa_type=KeyText)
    body: bytes = Field(sa_type=LargeBinary)
    reason: str = Field(sa_type=Text)
    error: str = Field(sa_type=Text)
    received_at: datetime = Field(sa_type=UTCDateTime)
    attempts: int = Field(default=1)
    resolved_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    may_opt_out: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
