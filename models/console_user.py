"""`console_users`: the people who may sign in to the console; what they did is in other tables by their name."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Text, false
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class ConsoleUser(SQLModel, table=True):
    """One person. `password_hash` is null until a password is set; `link_digest` is of a link that works once.

    A session that was begun in another `session_generation` is over.
    """

    __tablename__ = "console_users"
    __table_args__ = (
        CheckConstraint("role IN ('viewer', 'operator')", name="ck_console_users_role"),
        CheckConstraint("link_kind IN ('password', 'sign_in')", name="ck_console_users_link_kind"),
    )

    name: str = Field(primary_key=True, sa_type=KeyText)
    role: str = Field(sa_type=Text)
    password_hash: str | None = Field(default=None, sa_type=Text)
    is_disabled: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: datetime = Field(sa_type=UTCDateTime)
    signed_in_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    link_digest: str | None = Field(default=None, sa_type=KeyText)
    link_kind: str | None = Field(default=None, sa_type=Text)
    link_ends_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    session_generation: int = Field(sa_type=BigInteger)
