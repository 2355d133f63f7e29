"""Walks the whole ledger once: to check the tables, or to rebuild them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine, func, select

from sync.merge import OptOutRow
from sync.reading import Reading
from sync.rebuilding.claims import COMPARED, is_as_strong, read_opt_outs, row_of
from sync.rebuilding.comparing import Drift, Kind, Slice, compare
from sync.rebuilding.patience import patiently
from sync.rebuilding.repairing import repair
from sync.rebuilding.unmet import UnmetClaims, unmet_claims
from sync.statements import hold_one_moment
from sync.store import CAMPAIGNS, MESSAGES, OPT_OUTS

ROWS_PER_SLICE = 1000


@dataclass(slots=True)
class TableCounts:
    """Rows of one table. What drifted is counted as it was found, repaired since or not."""

    right: int | None = 0  # None where it was not counted
    changed: int = 0
    missing: int = 0
    surplus: int = 0

    @property
    def drifting(self) -> int:
        return self.changed + self.missing + self.surplus

    def add(self, kind: Kind, count: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + count)


def _tables() -> dict[str, TableCounts]:
    # Rows of `opt_outs` belong to no slice, so those that are right are counted at the end.
    return {
        MESSAGES.name: TableCounts(),
        CAMPAIGNS.name: TableCounts(),
        OPT_OUTS.name: TableCounts(right=None),
    }


@dataclass(slots=True)
class Counts:
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

    reading: Reading
    rows_per_slice: int
    is_stop_asked: Callable[[], bool] = lambda: False
    on_slice: Callable[[], None] = lambda: None
    counts: Counts = field(default_factory=Counts)


def check(engine: Engine, walk: Walk, on_drift: Callable[[Drift], None]) -> None:
    """Give `on_drift` each row that drifts, rows of `opt_outs` last. Writes nothing; `engine` may be read-only.

    Each slice is compared as it stands at one moment, so what workers commit meanwhile is no drift.
    """
    counts = walk.counts
    with unmet_claims() as unmet:

        def note(found: Slice) -> None:
            for drift in found.drifts:
                counts.tables[drift.table].add(drift.kind)
                on_drift(drift)

        if not _go(engine, walk, unmet, note):
            _count_unmet(unmet, counts)
            return
        for page in unmet.pages(walk.rows_per_slice):
            for drift in patiently(partial(_opt_out_drifts, engine, page)):
                counts.tables[drift.table].add(drift.kind)
                on_drift(drift)
    of_opt_outs = counts.tables[OPT_OUTS.name]
    of_opt_outs.right = _count_opt_outs(engine) - of_opt_outs.changed
    counts.is_complete = True


def rebuild(reader: Engine, writer: Engine, walk: Walk) -> None:
    """Repair each row that drifts, slice by slice; a slice that is right is only read.

    `reader` may be read-only. Stopped anywhere, what was repaired stays, and a slice is repaired wholly or found
    again by the next run.
    """
    counts = walk.counts
    with unmet_claims() as unmet:

        def put_right(found: Slice) -> None:
            removed = repair(writer, found, reading=walk.reading)
            for drift in found.drifts:
                if drift.kind is not Kind.SURPLUS:
                    counts.tables[drift.table].add(drift.kind)
            for table, count in removed.items():
                counts.tables[table].add(Kind.SURPLUS, count)

        try:
            is_complete = _go(reader, walk, unmet, put_right)
        finally:
            _count_unmet(unmet, counts)
    if is_complete:
        of_opt_outs = counts.tables[OPT_OUTS.name]
        of_opt_outs.right = _count_opt_outs(reader) - of_opt_outs.changed - of_opt_outs.missing
        counts.is_complete = True


def _go(engine: Engine, walk: Walk, unmet: UnmetClaims, on_found: Callable[[Slice], None]) -> bool:
    """Give `on_found` slice after slice; return False if asked to stop before the end."""
    for found in compare(engine, reading=walk.reading, rows_per_slice=walk.rows_per_slice):
        on_found(found)
        unmet.add(found.unmet)
        walk.counts.facts += found.facts
        walk.counts.unreadable += found.unreadable
        for table, count in found.right.items():
            of_table = walk.counts.tables[table]
            of_table.right = (of_table.right or 0) + count
        walk.on_slice()
        if walk.is_stop_asked():
            return False
    return True


def _opt_out_drifts(engine: Engine, claims: list[OptOutRow]) -> list[Drift]:
    with engine.begin() as connection:
        hold_one_moment(connection)
        stored = read_opt_outs(connection, {claim.address for claim in claims})
    drifts = []
    for claim in claims:
        row = row_of(claim, stored)
        if is_as_strong(row, claim):
            continue  # a worker was faster
        key = dict(zip(("channel", "address", "sender"), claim.key, strict=True))
        says = {
            "opted_out_at": claim.opted_out_at,
            "source": claim.source,
            "message_id": claim.message_id,
            "note": None,
        }
        blank = dict.fromkeys(column.name for column in COMPARED)
        drifts.append(Drift(table=OPT_OUTS.name, key=key, stored=row, expected={**(row or blank), **key, **says}))
    return drifts


def _count_unmet(unmet: UnmetClaims, counts: Counts) -> None:
    for kind in (Kind.CHANGED, Kind.MISSING):
        counts.tables[OPT_OUTS.name].add(kind, unmet.count(kind))


def _count_opt_outs(engine: Engine) -> int:
    with engine.begin() as connection:
        return connection.execute(select(func.count()).select_from(OPT_OUTS)).scalar_one()
