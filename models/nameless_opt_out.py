"""`nameless_opt_outs`: opt-outs that name nobody, as long as no body of their message does."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class NamelessOptOut(SQLModel, table=True):
    """The body with this `digest` opts somebody out, and nothing tells whom; it was first received at `received_at`.

    Look-ups go by it while anything waits that was received up to `holds_until` and may still tell.
    """

    __tablename__ = "nameless_opt_outs"

    subject_id: str = Field(primary_key=True, sa_type=KeyText)
    digest: str = Field(primary_key=True, sa_type=KeyText)
    received_at: datetime = Field(sa_type=UTCDateTime)
    holds_until: datetime = Field(sa_type=UTCDateTime, index=True)
