"""Checks the roll-ups of the reports against `message_status`, or counts them anew; after the tables are looked at."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine

from models.statements import hold_snapshot
from sync.rebuild.compare import Drift
from sync.rebuild.walk import TableCounts, WalkCounts
from sync.rollups.recount import compare_rollups, remake, stored_timezone
from sync.store.retry import patiently


def check_rollups(engine: Engine, counts: WalkCounts, on_drift: Callable[[Drift], None]) -> None:
    """Give `on_drift` each row of a roll-up that drifts, and count all. Writes nothing; `engine` may be read-only."""
    with engine.begin() as connection:
        hold_snapshot(connection)
        rollups = compare_rollups(connection)
    for rollup in rollups:
        of_table = counts.tables[rollup.table] = TableCounts(right=rollup.right)
        for key, stored, expected in rollup.differing:
            drift = Drift(table=rollup.table, key=key, stored=stored, expected=expected)
            of_table.add(drift.kind)
            on_drift(drift)


def rebuild_rollups(reader: Engine, writer: Engine, counts: WalkCounts, *, timezone: str) -> None:
    """Count the roll-ups anew by the days of `timezone`, an IANA name, if they drift or go by another time zone."""
    drifts: list[Drift] = []
    check_rollups(reader, counts, drifts.append)
    with reader.begin() as connection:
        stored = stored_timezone(connection)
    if drifts or stored != timezone:
        patiently(partial(remake, writer, timezone))
