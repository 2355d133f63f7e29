"""Counts the roll-ups anew from `message_status`, and compares them with it.

For rows that other programs changed, and for another time zone: its days are other days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, text

from models.tables import REPORT_CALENDAR, ROLLUP_CAMPAIGN_QUARTERS, ROLLUP_CAMPAIGNS, ROLLUP_DAILY, ROLLUP_DELTAS
from sync.rollups.calendar import calendar
from sync.rollups.contribution import COUNTS

LOCK_SECONDS = 5

# Which databases give in types of their own.
_TIMES = ("day", "quarter_at")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRollup:
    """What one roll-up says and what it should say, for each row that differs; and how many rows do not differ."""

    table: str
    right: int
    differing: list[tuple[Row, Row | None, Row | None]]  # key, as it is, as it should be; None for no row


def remake(engine: Engine, timezone: str) -> None:
    """Count the roll-ups anew, by the days of `timezone`, an IANA name.

    Owns its transaction, of which views show either nothing or all. On PostgreSQL workers go on meanwhile: of what
    they write either both the row and its delta are seen, or neither. On SQLite they wait.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            connection.execute(text(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            # Before the first query, which decides what all of them see: no compactor has deltas in hand then.
            # https://www.postgresql.org/docs/current/transaction-iso.html#XACT-REPEATABLE-READ
            connection.execute(text("LOCK TABLE rollup_daily, rollup_campaigns IN SHARE ROW EXCLUSIVE MODE"))
        connection.execute(delete(REPORT_CALENDAR))
        connection.execute(insert(REPORT_CALENDAR), [dict(row) for row in calendar(timezone)])
        for table in (ROLLUP_DAILY, ROLLUP_CAMPAIGNS, ROLLUP_CAMPAIGN_QUARTERS):
            names = ", ".join(column.name for column in table.columns)
            connection.execute(delete(table))
            query = f"SELECT {names} FROM {table.name}_plain"  # noqa: S608 - our own names
            connection.execute(text(f"INSERT INTO {table.name} ({names}) {query}"))
        connection.execute(delete(ROLLUP_DELTAS))


def stored_timezone(connection: Connection) -> str | None:
    """Return the IANA name of the time zone by whose days the roll-ups count; None if a person removed it."""
    timezone: str | None = connection.execute(select(REPORT_CALENDAR.c.timezone).limit(1)).scalar()
    return timezone


def compare_rollups(connection: Connection) -> list[ComparedRollup]:
    """Compare the roll-ups, with the deltas that wait, with what the rows of `message_status` come to.

    The caller's transaction should see one snapshot (`models.statements.hold_snapshot`). It reads the whole
    table: seconds for each few million messages.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    return [
        _compared(connection, "rollup_daily", ("day", "channel", "sender")),
        _compared(connection, "rollup_campaigns", ("campaign_id",)),
        _compared(connection, "rollup_campaign_quarters", ("campaign_id", "quarter_at")),
    ]


def _compared(connection: Connection, table: str, key: tuple[str, ...]) -> ComparedRollup:
    stored, expected = (_rows(connection, f"{table}_{kind}", key) for kind in ("now", "plain"))
    differing = [
        (dict(zip(key, name, strict=True)), stored.get(name), expected.get(name))
        for name in sorted(stored.keys() | expected.keys())
        if stored.get(name) != expected.get(name)
    ]
    right = sum(expected.get(name) == row for name, row in stored.items())
    return ComparedRollup(table=table, right=right, differing=differing)


def _rows(connection: Connection, view: str, key: tuple[str, ...]) -> Mapping[tuple[str, ...], Row]:
    """Rows of nothing but zeros are none: deltas may wait that cancel each other."""
    timezone = connection.execute(text(f"SELECT * FROM {view}")).mappings()  # noqa: S608 - our own names
    rows = ({name: str(value) if name in _TIMES else value for name, value in row.items()} for row in timezone)
    return {tuple(row[name] for name in key): row for row in rows if any(row[name] for name in COUNTS if name in row)}
