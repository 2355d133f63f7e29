"""`asked_messages`: which messages the provider was asked for, so that nobody asks twice and a stopped run goes on."""

from datetime import datetime

from sqlalchemy import Integer
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class AskedMessage(SQLModel, table=True):
    """One message: when it was last asked for, and how often. The row goes once a final status is known."""

    __tablename__ = "asked_messages"

    message_id: str = Field(primary_key=True, sa_type=KeyText)
    asked_at: datetime = Field(sa_type=UTCDateTime)
    times: int = Field(sa_type=Integer)
