"""Finds rows of `opt_outs` by their addresses, and holds them until the caller's transaction ends."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from sync.store import OPT_OUTS
from sync.suppression.among import WANTED, is_among, listed

OptOutKey = tuple[str, str, str]
StoredOptOut = Mapping[str, Any]


def locked_rows(connection: Connection, addresses: Collection[str]) -> dict[OptOutKey, StoredOptOut]:
    """Return every row of `addresses` by channel, address and sender, locked in that order.

    It is the order in which workers lock rows too, so that they and people wait for each other and never in a circle.
    """
    if not addresses:
        return {}
    dialect = connection.dialect.name
    query = select(OPT_OUTS).where(is_among(dialect, OPT_OUTS.c.address)).order_by(*OPT_OUTS.primary_key)
    found = connection.execute(query.with_for_update(), {WANTED: listed(dialect, addresses)}).mappings()
    return {(row["channel"], row["address"], row["sender"]): dict(row) for row in found}


def is_in_force(row: StoredOptOut) -> bool:
    """Return what the view `active_opt_outs` says of a row."""
    opted_out_at: datetime | None = row["opted_out_at"]
    opted_in_at: datetime | None = row["opted_in_at"]
    return opted_out_at is not None and (opted_in_at is None or opted_in_at <= opted_out_at)
