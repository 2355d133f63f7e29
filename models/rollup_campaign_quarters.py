"""`rollup_campaign_quarters`: how far each campaign had come when; one row a campaign and quarter of an hour.

What the rows and the changes that wait come to together is the view `rollup_campaign_quarters_now`. What that must be,
counted from `message_status` itself, is `rollup_campaign_quarters_plain`.
"""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class RollupCampaignQuarter(SQLModel, table=True):
    """`quarter_at` begins the quarter of an hour, UTC, in which these messages got their final status."""

    __tablename__ = "rollup_campaign_quarters"

    campaign_id: str = Field(primary_key=True, sa_type=KeyText)
    quarter_at: datetime = Field(primary_key=True, sa_type=UTCDateTime)
    delivered: int
    failed: int
    undeliverable: int
