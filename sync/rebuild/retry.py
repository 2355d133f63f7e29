"""Tries again what another transaction was in the way of: it is we who step back, never a worker."""

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

Done = TypeVar("Done")

PAUSES_SECONDS = (0.1, 0.5, 1, 2, 4)
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED, _LOCK_NOT_AVAILABLE = "40001", "40P01", "55P03"
_STATES = frozenset({_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED, _LOCK_NOT_AVAILABLE})
_SQLITE_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY_CODE = 0xFF  # SQLite's extended codes hold the primary one in the lowest byte


def patiently(transact: Callable[[], Done]) -> Done:
    """Return what `transact`, one transaction, returns; try it again a few times if a lock stops it.

    Any other error passes through, and so does the last error of a lock: then nothing of the transaction was done.
    """
    for pause in PAUSES_SECONDS:
        try:
            return transact()
        except DBAPIError as error:
            if not is_in_the_way(error):
                raise
        time.sleep(pause)
    return transact()


def is_in_the_way(error: DBAPIError) -> bool:
    """Is it the error of a lock that somebody else holds, or of transactions that met?"""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & _PRIMARY_CODE in _SQLITE_CODES
    return getattr(error.orig, "sqlstate", None) in _STATES
