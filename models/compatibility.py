"""`zexa_sync_compatibility`: the oldest revision whose code can run on this schema. One row, beside Alembic's version.

Only migrations write it. If code of the revision before can run on a migration's schema, the migration leaves the row
as it is. Any other migration sets the row to its own revision.
"""

from sqlmodel import Field, SQLModel

from models.types import KeyText


class Compatibility(SQLModel, table=True):
    """See `models.schema`, which reads it."""

    __tablename__ = "zexa_sync_compatibility"

    oldest_revision: str = Field(primary_key=True, sa_type=KeyText)
