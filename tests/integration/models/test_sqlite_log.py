"""SQLite's write-ahead log: one long transaction does not leave it long for good."""

from pathlib import Path

import pytest
from sqlalchemy import URL, text

from models.database import WAL_BYTES_MAX, open_database


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_log_of_a_long_transaction_is_cut_again(database_url: URL) -> None:
    log = Path(f"{database_url.database}-wal")
    writer, other = open_database(database_url), open_database(database_url)
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE bytes (some BLOB)"))
        for _ in range(40):
            connection.execute(text("INSERT INTO bytes VALUES (randomblob(1048576))"))
    assert log.stat().st_size > 2 * WAL_BYTES_MAX
    for engine in (other, writer, other):
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO bytes VALUES (x'00')"))
    assert log.stat().st_size <= WAL_BYTES_MAX
    for engine in (writer, other):
        engine.dispose()
