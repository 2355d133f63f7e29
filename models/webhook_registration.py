"""`webhook_registrations`: which webhooks were asked for at the provider, and what is known of them."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime

_IS_OPEN = "webhook_id IS NULL AND replaced_at IS NULL"


class WebhookRegistration(SQLModel, table=True):
    """One registration. `events` are the names it is for, with blanks between; `*` is all.

    Its row is written before the provider is asked: without `webhook_id` no answer is known, and a webhook may exist.
    `traffic_at` is when the last delivery before it was received. `proved_at` is when the delivery was received that
    proves it, `proved_by` what that was. `secret` is a name of the secret that signed it, which reveals nothing of it.
    `replaced_at`: another one took its place. `deleted_at`: the provider has deleted it.
    """

    __tablename__ = "webhook_registrations"
    __table_args__ = (
        CheckConstraint("proved_by IN ('test_event', 'delivery')", name="ck_webhook_registrations_proved_by"),
        # However many processes ask for one URL at once, one of them does.
        Index(
            "ux_webhook_registrations_open",
            "url",
            unique=True,
            postgresql_where=text(_IS_OPEN),
            sqlite_where=text(_IS_OPEN),
        ),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    url: str = Field(sa_type=KeyText)
    events: str = Field(sa_type=Text)
    asked_at: datetime = Field(sa_type=UTCDateTime)
    traffic_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    webhook_id: str | None = Field(default=None, sa_type=KeyText)
    registered_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    proved_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    proved_by: str | None = Field(default=None, sa_type=Text)
    secret: str | None = Field(default=None, sa_type=KeyText)
    replaced_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
