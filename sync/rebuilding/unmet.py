"""The opt-outs that drift, each row once with the strongest claim, however many messages claim it.

A lost table may mean millions, so they are not held in memory but in a temporary file, which has no name while
it is open and is gone with this process.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from sync.merge import OptOutRow
from sync.rebuilding.claims import UnmetClaim
from sync.rebuilding.comparing import Kind

_TABLE = """
    CREATE TABLE claims (
        channel TEXT, address TEXT, sender TEXT, opted_out_at TEXT, message_id TEXT, source TEXT, kind TEXT,
        PRIMARY KEY (channel, address, sender)
    ) WITHOUT ROWID
"""
# How the row drifted when it was first met stays: a repair of ours may have added it since.
_ADD = """
    INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel, address, sender) DO UPDATE
    SET opted_out_at = excluded.opted_out_at, message_id = excluded.message_id, source = excluded.source
    WHERE (excluded.opted_out_at, coalesce(excluded.message_id, ''), excluded.source <> 'failure')
        > (opted_out_at, coalesce(message_id, ''), source <> 'failure')
"""


class UnmetClaims:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(_TABLE)

    def add(self, claims: Iterable[UnmetClaim]) -> None:
        for claim in claims:
            row, kind = claim.row, Kind.MISSING if claim.is_missing else Kind.CHANGED
            # Of one length each, so that texts sort as the moments do.
            moment = row.opted_out_at.astimezone(UTC).isoformat(timespec="microseconds")
            self._connection.execute(_ADD, (*row.key, moment, row.message_id, row.source, kind))

    def count(self, kind: Kind) -> int:
        """Return how many rows drifted in this way."""
        (count,) = self._connection.execute("SELECT count(*) FROM claims WHERE kind = ?", (kind,)).fetchone()
        return int(count)

    def pages(self, size: int) -> Iterator[list[OptOutRow]]:
        """Yield the claims in the order of their keys, at most `size` at a time."""
        query = "SELECT channel, address, sender, opted_out_at, message_id, source FROM claims ORDER BY 1, 2, 3"
        found = self._connection.execute(query)
        while page := found.fetchmany(size):
            yield [
                OptOutRow(
                    channel=channel,
                    address=address,
                    sender=sender,
                    opted_out_at=datetime.fromisoformat(moment),
                    message_id=message_id,
                    source=source,
                )
                for channel, address, sender, moment, message_id, source in page
            ]


@contextmanager
def unmet_claims() -> Iterator[UnmetClaims]:
    """Yield an empty collection; what it held is gone once the block ends."""
    # The empty name means a private temporary file: https://www.sqlite.org/inmemorydb.html#temp_db
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield UnmetClaims(connection)
