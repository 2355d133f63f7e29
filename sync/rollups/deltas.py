"""Appends to `rollup_deltas` what a transaction changed, in that transaction.

Every writer of `message_status` owes it this. Rows are only ever added, so no worker waits for another here.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, text

from models.tables import ROLLUP_DELTAS
from sync.rollups.contribution import Change, deltas

_COLUMNS = [column for column in ROLLUP_DELTAS.columns if not column.primary_key]
_KINDS = {"quarter_at": "timestamptz", "channel": "text", "sender": "text", "campaign_id": "text"}
_ARRAYS = ", ".join(f"CAST(:{column.name} AS {_KINDS.get(column.name, 'integer')}[])" for column in _COLUMNS)

# Made once: small batches come often, and making a statement costs more there than all the rest of this.
_ROW_BY_ROW = insert(ROLLUP_DELTAS)
_BY_ARRAYS = text(
    f"INSERT INTO rollup_deltas ({', '.join(column.name for column in _COLUMNS)}) SELECT * FROM unnest({_ARRAYS})"  # noqa: S608 - our own names
)


def keep_deltas(connection: Connection, inserted: Iterable[dict[str, Any]], changes: Iterable[Change]) -> None:
    """Append by how much the roll-ups change with rows of `message_status` that were written or removed."""
    rows = deltas(inserted, changes)
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_BY_ARRAYS, {column.name: [row[column.name] for row in rows] for column in _COLUMNS})
    else:
        connection.execute(_ROW_BY_ROW, rows)
