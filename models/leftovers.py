"""What databases keep of rows that are gone: free pages, the log of writes, samples of values."""

import sqlite3
import time

from sqlalchemy import Engine, text

from models.writable import WRITTEN

CHECKPOINT_SECONDS = 20.0
_PAUSE_SECONDS = 0.1


def remove_leftovers(engine: Engine) -> bool:
    """Let nothing be left of rows that were changed or deleted; return whether the database let us.

    SQLite's file is written anew, and its log is emptied. Writers wait for that, and a reader may keep the log.
    PostgreSQL takes new samples: dead rows are for VACUUM, and no dump holds them. Its errors are DBAPIError.
    """
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"ANALYZE {', '.join(WRITTEN)}"))
        return True
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("VACUUM")
        return _empty_log(raw.cursor())
    except sqlite3.OperationalError:  # others write all the time, or the disk has no room for a second file
        return False
    finally:
        raw.close()


def _empty_log(cursor: object) -> bool:
    deadline = time.monotonic() + CHECKPOINT_SECONDS
    while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:  # type: ignore[attr-defined]
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True
