"""`message_status`: what is known of each message, one row a message."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class MessageStatus(SQLModel, table=True):
    """`status` is null while only an opt-out is known of the message."""

    __tablename__ = "message_status"
    __table_args__ = (
        CheckConstraint(
            "status IN ('queued', 'sent', 'delivered', 'failed', 'undeliverable')",
            name="ck_message_status_status",
        ),
        # What happened to one person is found among millions of messages.
        Index("ix_message_status_recipient", "recipient"),
        Index(
            "ix_message_status_campaign_id",
            "campaign_id",
            postgresql_where=text("campaign_id IS NOT NULL"),
            sqlite_where=text("campaign_id IS NOT NULL"),
        ),
        # Only of messages that failed, so that others cost nothing: for the report of failures.
        Index(
            "ix_message_status_failures",
            "status_at",
            postgresql_where=text("status IN ('failed', 'undeliverable')"),
            sqlite_where=text("status IN ('failed', 'undeliverable')"),
        ),
        # Only of messages without a final status, which are few: for asking the provider what became of them.
        Index(
            "ix_message_status_unfinished",
            "updated_at",
            postgresql_where=text("status IS NULL OR status IN ('queued', 'sent')"),
            sqlite_where=text("status IS NULL OR status IN ('queued', 'sent')"),
        ),
    )

    message_id: str = Field(primary_key=True, sa_type=KeyText)
    channel: str | None = Field(default=None, sa_type=Text)
    recipient: str | None = Field(default=None, sa_type=KeyText)
    sender: str | None = Field(default=None, sa_type=KeyText)
    campaign_id: str | None = Field(default=None, sa_type=KeyText)
    status: str | None = Field(default=None, sa_type=Text)
    status_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    delivered_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    failed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    failure_code: str | None = Field(default=None, sa_type=Text)
    failure_reason: str | None = Field(default=None, sa_type=Text)
    opted_out_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    conflict: bool = Field(default=False)
    updated_at: datetime = Field(sa_type=UTCDateTime)
