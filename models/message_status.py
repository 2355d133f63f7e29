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
        # The messages of a campaign, and those of one status in the order of their ids.
        Index(
            "ix_message_status_campaign_id",
            *("campaign_id", "status", "message_id"),
            postgresql_where=text("campaign_id IS NOT NULL"),
            sqlite_where=text("campaign_id IS NOT NULL"),
        ),
        # The messages that ended on a channel, in the order of time: what a number of a report counts.
        Index(
            "ix_message_status_ended",
            *("channel", "status_at", "message_id"),
            postgresql_where=text("status IN ('delivered', 'failed', 'undeliverable')"),
            sqlite_where=text("status IN ('delivered', 'failed', 'undeliverable')"),
        ),
        # Only of messages that were answered with an opt-out, which are few: likewise, of a day and of a campaign.
        Index(
            "ix_message_status_opted_out",
            *("status_at", "message_id"),
            postgresql_where=text("opted_out_at IS NOT NULL"),
            sqlite_where=text("opted_out_at IS NOT NULL"),
        ),
        Index(
            "ix_message_status_opted_out_campaign",
            *("campaign_id", "message_id"),
            postgresql_where=text("opted_out_at IS NOT NULL AND campaign_id IS NOT NULL"),
            sqlite_where=text("opted_out_at IS NOT NULL AND campaign_id IS NOT NULL"),
        ),
        # Only of messages that failed, so that others cost nothing: for the report of failures.
        Index(
            "ix_message_status_failures",
            *("status_at", "message_id"),
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
