"""`rollup_campaigns`: how the messages of each campaign ended, counted; one row a campaign that has messages.

The view `report_campaigns` adds what `rollup_deltas` holds besides. What the rows must come to, counted from
`message_status` itself, is the view `rollup_campaigns_plain`.
"""

from sqlmodel import Field, SQLModel

from models.types import KeyText


class RollupCampaign(SQLModel, table=True):
    """`unfinished` are messages of which no final status is known. No row has zero messages."""

    __tablename__ = "rollup_campaigns"

    campaign_id: str = Field(primary_key=True, sa_type=KeyText)
    delivered: int
    failed: int
    undeliverable: int
    unfinished: int
    opt_outs: int
    conflicts: int
