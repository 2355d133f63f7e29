"""Folds what waits in `rollup_deltas` into the roll-ups, a bounded number of rows at a time.

Any number of workers may do so at once, and be killed anywhere: what is taken is removed and added in one transaction.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, and_, bindparam, delete, select, text

from models.statements import bulk_insert
from models.tables import REPORT_CALENDAR, ROLLUP_CAMPAIGN_QUARTERS, ROLLUP_CAMPAIGNS, ROLLUP_DAILY, ROLLUP_DELTAS
from sync.rollups.contribution import COUNTS

DELTAS_PER_TRANSACTION = 20_000

Sums = dict[tuple[Any, ...], list[int]]


def compact(engine: Engine, *, limit: int = DELTAS_PER_TRANSACTION) -> int:
    """Fold at most `limit` rows of `rollup_deltas` into the roll-ups; return how many.

    Owns its transaction. Errors of the database are SQLAlchemy's DBAPIError: then nothing was folded.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Waits while the roll-ups are made anew (`sync.rollups.recount`), so that the calendar is theirs.
            connection.execute(text("LOCK TABLE rollup_daily IN ROW EXCLUSIVE MODE"))
        # Deltas that another process has locked are left to that process. On SQLite there is no other process.
        oldest = select(ROLLUP_DELTAS.c.id).order_by(ROLLUP_DELTAS.c.id).limit(limit).with_for_update(skip_locked=True)
        deltas = (
            connection.execute(delete(ROLLUP_DELTAS).where(ROLLUP_DELTAS.c.id.in_(oldest)).returning(*ROLLUP_DELTAS.c))
            .mappings()
            .all()
        )
        if deltas:
            _add(connection, ROLLUP_DAILY, _by_day(deltas, _read_calendar(connection, deltas)))
            _add(connection, ROLLUP_CAMPAIGNS, _by_campaign(deltas))
            _add(connection, ROLLUP_CAMPAIGN_QUARTERS, _by_campaign_and_quarter(deltas))
    return len(deltas)


class _Calendar:
    def __init__(self, begins: Sequence[datetime], offsets: Sequence[timedelta]) -> None:
        self._begins = begins
        self._offsets = offsets

    def day_of(self, time: datetime) -> date:
        return (time + self._offsets[bisect_right(self._begins, time) - 1]).date()


def _read_calendar(connection: Connection, deltas: Iterable[RowMapping]) -> _Calendar:
    """Return the spans that the times of `deltas` are in: a calendar has some two hundred, for two centuries."""
    times = [delta["quarter_at"] for delta in deltas if delta["quarter_at"] is not None]
    if not times:
        return _Calendar([], [])
    begins_at, ends_at = REPORT_CALENDAR.c.begins_at, REPORT_CALENDAR.c.ends_at
    query = select(begins_at, REPORT_CALENDAR.c.offset_seconds).order_by(begins_at)
    rows = connection.execute(query.where(begins_at <= max(times), ends_at > min(times))).all()
    return _Calendar([row.begins_at for row in rows], [timedelta(seconds=row.offset_seconds) for row in rows])


def _by_day(deltas: Iterable[RowMapping], calendar: _Calendar) -> Sums:
    names = _counts(ROLLUP_DAILY)
    sums: Sums = {}
    for delta in deltas:
        if delta["quarter_at"] is not None:
            key = calendar.day_of(delta["quarter_at"]), delta["channel"], delta["sender"]
            _sum(sums, key, [delta[name] for name in names])
    return sums


def _by_campaign(deltas: Iterable[RowMapping]) -> Sums:
    names = _counts(ROLLUP_CAMPAIGNS)
    sums: Sums = {}
    for delta in deltas:
        if delta["campaign_id"]:
            _sum(sums, (delta["campaign_id"],), [delta[name] for name in names])
    return sums


def _by_campaign_and_quarter(deltas: Iterable[RowMapping]) -> Sums:
    names = _counts(ROLLUP_CAMPAIGN_QUARTERS)
    sums: Sums = {}
    for delta in deltas:
        if delta["campaign_id"] and delta["quarter_at"] is not None:
            _sum(sums, (delta["campaign_id"], delta["quarter_at"]), [delta[name] for name in names])
    return sums


def _counts(table: Table) -> list[str]:
    return [name for name in COUNTS if name in table.columns]


def _sum(sums: Sums, key: tuple[Any, ...], counts: list[int]) -> None:
    held = sums.get(key)
    sums[key] = counts if held is None else [count + other for count, other in zip(held, counts, strict=True)]


def _add(connection: Connection, table: Table, sums: Sums) -> None:
    """Add `sums` to the rows of their keys, in the order of these: compactors wait for each other, never in a circle.

    Rows that come to nothing are removed: a message that moved to another day or campaign leaves none behind.
    """
    keys, counts = [column.name for column in table.primary_key], _counts(table)
    rows = [dict(zip([*keys, *counts], [*key, *sums[key]], strict=True)) for key in sorted(sums) if any(sums[key])]
    if not rows:
        return
    insert, parameters = bulk_insert(connection, table, rows)
    added = {name: table.c[name] + insert.excluded[name] for name in counts}
    upsert = insert.on_conflict_do_update(index_elements=keys, set_=added).returning(*table.c)
    summed = connection.execute(upsert, parameters).mappings().all()
    empty = [{f"of_{name}": row[name] for name in keys} for row in summed if not any(row[name] for name in counts)]
    if empty:
        is_row = and_(*(table.c[name] == bindparam(f"of_{name}") for name in keys))
        connection.execute(delete(table).where(is_row), empty)
