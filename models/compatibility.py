"""`zexa_sync_compatibility`: the oldest revision whose code can run on this schema. One row, beside Alembic's version.

Written by migrations only. One that code of the revision before it can run on leaves the row as it is; any other sets
it to itself.
"""

from sqlmodel import Field, SQLModel

from models.types import KeyText


class Compatibility(SQLModel, table=True):
    """See `models.schema`, which reads it."""

    __tablename__ = "zexa_sync_compatibility"

    oldest_revision: str = Field(primary_key=True, sa_type=KeyText)
