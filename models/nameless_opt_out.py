"""`nameless_opt_outs`: opt-outs that name no person, as long as no body of their message names a person."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class NamelessOptOut(SQLModel, table=True):
    """The body with this `digest` opts out a person whom nothing names; it was first received at `received_at`.

    It holds back the `as_of` of look-ups while any event waits that was received up to `holds_until`: such an event
    may still name the person.
    """

    __tablename__ = "nameless_opt_outs"

    subject_id: str = Field(primary_key=True, sa_type=KeyText)
    digest: str = Field(primary_key=True, sa_type=KeyText)
    received_at: datetime = Field(sa_type=UTCDateTime)
    holds_until: datetime = Field(sa_type=UTCDateTime, index=True)
