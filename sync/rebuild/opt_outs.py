"""Compares `opt_outs` with all that was stated, address by address, and repairs it. Its rows belong to no subject."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from msgspec.structs import asdict
from sqlalchemy import Connection, Engine, select, union

from models.statements import hold_snapshot
from models.tables import HISTORY, OPT_OUTS
from sync.events.opt_outs import OptOutKey, OptOutRow, opt_out_rows
from sync.rebuild.compare import Drift
from sync.rebuild.repair import wait_briefly
from sync.store.opt_outs import read_rows, read_statements, write_rows
from sync.store.retry import patiently


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What comparing the rows of some addresses found."""

    right: int
    drifts: list[Drift]

    @property
    def keys(self) -> list[OptOutKey]:
        return [(drift.key["channel"], drift.key["address"], drift.key["sender"]) for drift in self.drifts]


def compare_opt_outs(engine: Engine, addresses_per_page: int) -> Iterator[Page]:
    """Yield what is found of all addresses, page by page, each as it stands at one moment. Writes nothing."""
    after = ""
    while True:
        page, addresses = patiently(partial(_compare_page, engine, after, addresses_per_page))
        yield page
        if len(addresses) < addresses_per_page:
            return
        after = addresses[-1]


def repair_opt_outs(engine: Engine, page: Page) -> None:
    """Write the rows of a page that are missing or changed, in a transaction of its own."""
    if page.drifts:
        patiently(partial(_write, engine, page))


def _write(engine: Engine, page: Page) -> None:
    with engine.begin() as connection:
        wait_briefly(connection)
        write_rows(connection, set(page.keys), datetime.now(UTC))


def _compare_page(engine: Engine, after: str, size: int) -> tuple[Page, list[str]]:
    with engine.begin() as connection:
        hold_snapshot(connection)
        addresses = _addresses(connection, after, size)
        expected, stored = opt_out_rows(read_statements(connection, addresses)), read_rows(connection, addresses)
    drifts = [_drift(key, stored.get(key), row) for key, row in expected.items() if stored.get(key) != row]
    # A row without a statement was written by hand. It keeps a person from being messaged, so it stays.
    return Page(right=len(stored) - sum(drift.stored is not None for drift in drifts), drifts=drifts), addresses


def _addresses(connection: Connection, after: str, size: int) -> list[str]:
    parts = (select(table.c.address).where(table.c.address > after).distinct() for table in (HISTORY, OPT_OUTS))
    pages = [part.order_by("address").limit(size).subquery() for part in parts]
    query = union(*(select(page.c.address) for page in pages)).order_by("address").limit(size)
    return list(connection.execute(query).scalars())


def _drift(key: OptOutKey, stored: OptOutRow | None, expected: OptOutRow) -> Drift:
    return Drift(
        table=OPT_OUTS.name,
        key=dict(zip(("channel", "address", "sender"), key, strict=True)),
        stored=asdict(stored) if stored else None,
        expected=asdict(expected),
    )
