"""Our record of webhooks: the rows of `webhook_registrations`. Each function works in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from models.tables import WEBHOOK_REGISTRATIONS

_COLUMNS = WEBHOOK_REGISTRATIONS.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A row; see `models.webhook_registration`. `events` is ("*",) for all."""

    id: int
    url: str = field(repr=False)
    events: tuple[str, ...]
    asked_at: datetime
    traffic_at: datetime | None
    webhook_id: str | None
    registered_at: datetime | None
    proved_at: datetime | None
    proved_by: str | None
    secret: str | None
    replaced_at: datetime | None
    deleted_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Return whether the provider was asked, and no answer is known."""
        return self.webhook_id is None and self.replaced_at is None

    @property
    def is_current(self) -> bool:
        return self.webhook_id is not None and self.replaced_at is None and self.deleted_at is None


def registrations(connection: Connection, *, url: str | None = None) -> list[Registration]:
    """Return all, or those of `url`, the oldest first."""
    query = select(WEBHOOK_REGISTRATIONS).order_by(_COLUMNS.id)
    rows = connection.execute(query if url is None else query.where(_COLUMNS.url == url)).mappings()
    return [_registration(dict(row)) for row in rows]


def _registration(row: Mapping[str, Any]) -> Registration:
    return Registration(**{**row, "events": tuple(row["events"].split())})


def add(
    connection: Connection, *, url: str, events: Sequence[str], asked_at: datetime, traffic_at: datetime | None
) -> Registration:
    """Note that the provider is asked now."""
    values = {"url": url, "events": " ".join(events), "asked_at": asked_at, "traffic_at": traffic_at}
    row = connection.execute(insert(WEBHOOK_REGISTRATIONS).values(values).returning(*_COLUMNS)).mappings().one()
    return _registration(dict(row))


def change(connection: Connection, registration: Registration, **values: Any) -> Registration:
    """Write `values` into the row, and return it."""
    changed = update(WEBHOOK_REGISTRATIONS).where(_COLUMNS.id == registration.id).values(values).returning(*_COLUMNS)
    return _registration(dict(connection.execute(changed).mappings().one()))


def forget(connection: Connection, registration: Registration) -> None:
    """Delete the row: surely nothing was made."""
    connection.execute(WEBHOOK_REGISTRATIONS.delete().where(_COLUMNS.id == registration.id))
