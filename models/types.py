"""Column types that behave alike on PostgreSQL and SQLite."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

# Compared byte by byte on both databases, so that Python, PostgreSQL and SQLite sort keys alike.
# Workers take row locks in that order, and it breaks ties between events.
KeyText = Text().with_variant(Text(collation="C"), "postgresql")


# Whose address it is, in SQL that both databases read alike; `person_of` says the same. Three countries
# write one number in two ways, and the digit that only one of them has is left out.
PERSON_OF_ADDRESS = (
    "CASE WHEN length(address) = 14 AND address NOT LIKE '%@%' AND (address LIKE '+521%' OR address LIKE '+549%') "
    "THEN substr(address, 1, 3) || substr(address, 5) "
    "WHEN length(address) = 14 AND address NOT LIKE '%@%' AND address LIKE '+55__9%' "
    "THEN substr(address, 1, 5) || substr(address, 7) "
    "ELSE address END"
)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: `timestamptz` on PostgreSQL, ISO text without offset on SQLite.

    Binding a naive datetime raises ValueError; what is read back is always aware.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        assert isinstance(value, datetime)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
