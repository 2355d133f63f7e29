"""Walks the whole ledger once: to check the tables, or to rebuild them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine

from models.tables import CAMPAIGNS, HISTORY, LEDGER, MESSAGES, NAMELESS_OPT_OUTS, OPT_OUTS
from sync.events.interpretation import ParseOptions
from sync.rebuild.compare import Drift, DriftKind, Slice, compare
from sync.rebuild.opt_outs import Page, compare_opt_outs, repair_opt_outs
from sync.rebuild.repair import repair

ROWS_PER_SLICE = 1000


@dataclass(slots=True)
class TableCounts:
    """Rows of one table. What drifted is counted as it was found, repaired since or not."""

    right: int = 0
    changed: int = 0
    missing: int = 0
    surplus: int = 0

    @property
    def drifting(self) -> int:
        return self.changed + self.missing + self.surplus

    def add(self, kind: DriftKind, count: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + count)


def _tables() -> dict[str, TableCounts]:
    tables = (LEDGER, MESSAGES, CAMPAIGNS, HISTORY, OPT_OUTS, NAMELESS_OPT_OUTS)
    return {table.name: TableCounts() for table in tables}


@dataclass(slots=True)
class WalkCounts:
    """How far a walk came and what it found; filled while it goes on. Roll-ups join `tables` once they are counted."""

    facts: int = 0
    unreadable: int = 0  # of `facts`, passed over
    tables: dict[str, TableCounts] = field(default_factory=_tables)
    is_complete: bool = False

    @property
    def drifting(self) -> int:
        return sum(table.drifting for table in self.tables.values())

    def skip_tables(self) -> None:
        """Count as complete without a look at the tables that follow from the ledger."""
        self.tables.clear()
        self.is_complete = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How to go through the ledger. `on_slice` is called after each slice, when `counts` have grown."""

    options: ParseOptions
    rows_per_slice: int
    is_stop_asked: Callable[[], bool] = lambda: False
    on_slice: Callable[[], None] = lambda: None
    counts: WalkCounts = field(default_factory=WalkCounts)


def check_rows(engine: Engine, walk: Walk, on_drift: Callable[[Drift], None]) -> None:
    """Give `on_drift` each row that drifts, rows of `opt_outs` last. Writes nothing; `engine` may be read-only.

    Each slice is compared as it stands at one moment, so what workers commit meanwhile is no drift.
    """

    def note(part: Slice | Page) -> None:
        for drift in part.drifts:
            walk.counts.tables[drift.table].add(drift.kind)
            on_drift(drift)

    _go(engine, walk, on_slice=note, on_page=note)


def rebuild_rows(reader: Engine, writer: Engine, walk: Walk) -> None:
    """Repair each row that drifts, slice by slice; a slice that is right is only read.

    `reader` may be read-only. Stopped anywhere, what was repaired stays, and a slice is repaired wholly or found
    again by the next run.
    """
    tables = walk.counts.tables

    def put_right(part: Slice) -> None:
        removed = repair(writer, part, options=walk.options)
        for drift in part.drifts:
            if drift.kind is not DriftKind.SURPLUS:
                tables[drift.table].add(drift.kind)
        for table, count in removed.items():
            tables[table].add(DriftKind.SURPLUS, count)

    def put_page_right(page: Page) -> None:
        repair_opt_outs(writer, page)
        for drift in page.drifts:
            tables[drift.table].add(drift.kind)

    _go(reader, walk, on_slice=put_right, on_page=put_page_right)


def _go(engine: Engine, walk: Walk, *, on_slice: Callable[[Slice], None], on_page: Callable[[Page], None]) -> None:
    """Hand on slice after slice, then page after page of `opt_outs`; end early if asked to stop."""
    counts = walk.counts
    for part in compare(engine, options=walk.options, rows_per_slice=walk.rows_per_slice):
        on_slice(part)
        counts.facts += part.facts
        counts.unreadable += part.unreadable
        for table, count in part.right.items():
            counts.tables[table].right += count
        walk.on_slice()
        if walk.is_stop_asked():
            return
    for page in compare_opt_outs(engine, walk.rows_per_slice):
        on_page(page)
        counts.tables[OPT_OUTS.name].right += page.right
        if walk.is_stop_asked():
            return
    counts.is_complete = True
