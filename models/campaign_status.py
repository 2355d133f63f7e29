"""`campaign_status`: what is known of each campaign, one row a campaign."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, Text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class CampaignStatus(SQLModel, table=True):
    """`details` is the `data` of the campaign's greatest event, as JSON text: the provider does not
    document its fields. `message_total` is how many messages the campaign has, if an event says so."""

    __tablename__ = "campaign_status"
    __table_args__ = (
        CheckConstraint("status IN ('sent', 'completed')", name="ck_campaign_status_status"),
        # For lists of campaigns: those last heard of first, and those that run by when they were sent.
        Index("ix_campaign_status_updated_at", "updated_at", "campaign_id"),
        Index("ix_campaign_status_status", "status", "sent_at"),
    )

    campaign_id: str = Field(primary_key=True, sa_type=KeyText)
    status: str = Field(sa_type=Text)
    sent_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    completed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    name: str | None = Field(default=None, sa_type=Text)
    channel: str | None = Field(default=None, sa_type=Text)
    details: str = Field(sa_type=Text)
    updated_at: datetime = Field(sa_type=UTCDateTime)
    message_total: int | None = Field(default=None, sa_type=Integer)
