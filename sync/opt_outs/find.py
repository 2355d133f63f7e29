"""Finds opt-outs by what is known of them. Reads only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from models.in_force import in_force
from models.tables import OPT_OUTS
from sync.events.addresses import sender_key

ROWS_PER_FETCH = 5_000

# A row of `opt_outs`, by column.
StoredOptOut = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutSelection:
    """Which opt-outs are meant; None leaves open. Those in force only, unless `is_any`."""

    channel: str | None = None
    sender: str | None = None
    source: str | None = None
    since: datetime | None = None
    is_any: bool = False

    def conditions(self, connection: Connection) -> Iterator[ColumnElement[bool]]:
        columns = OPT_OUTS.c
        for name in ("channel", "source"):
            if (value := getattr(self, name)) is not None:
                yield columns[name] == value
        if self.sender is not None:
            yield columns.sender.in_(_spellings(connection, self.sender))
        if self.since is not None:
            yield columns.opted_out_at >= self.since
        if not self.is_any:
            yield in_force(OPT_OUTS)


def _spellings(connection: Connection, sender: str) -> list[str]:
    """Return how the table spells `sender`. Which spellings are one is not for SQL to say."""
    key = sender_key(sender)
    senders = connection.execute(select(OPT_OUTS.c.sender).distinct()).scalars()
    return [spelling for spelling in senders if sender_key(spelling) == key]


def latest_opt_outs(connection: Connection, selection: OptOutSelection, *, limit: int) -> list[StoredOptOut]:
    """Return at most `limit` rows, the latest opt-out first."""
    query = select(OPT_OUTS).where(*selection.conditions(connection)).limit(limit)
    ordered = query.order_by(OPT_OUTS.c.opted_out_at.desc(), *OPT_OUTS.primary_key)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def every_opt_out(connection: Connection, selection: OptOutSelection) -> Iterator[StoredOptOut]:
    """Yield every row in the order of its key, without holding more than some of them."""
    query = select(OPT_OUTS).where(*selection.conditions(connection)).order_by(*OPT_OUTS.primary_key)
    result = connection.execution_options(stream_results=True, max_row_buffer=ROWS_PER_FETCH).execute(query)
    for rows in result.mappings().partitions(ROWS_PER_FETCH):
        yield from (dict(row) for row in rows)


def count_by_channel(connection: Connection, selection: OptOutSelection) -> dict[str, int]:
    """Return how many rows there are of each channel, '' if they name none; the greatest number first."""
    channel, number = OPT_OUTS.c.channel, func.count().label("number")
    query = (
        select(channel, number)
        .where(*selection.conditions(connection))
        .group_by(channel)
        .order_by(number.desc(), channel)
    )
    return {row.channel: row.number for row in connection.execute(query.order_by(number.desc(), channel))}
