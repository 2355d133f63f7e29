"""What a failed transaction says of the database, and of the events that it was about. Asks nothing, decides nothing.

The kinds of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html; of SQLite:
https://www.sqlite.org/rescode.html.
"""

from enum import StrEnum

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Classes of PostgreSQL's states in which it takes nothing, whatever it is given.
_ABSENT_CLASSES = frozenset(
    {
        "08",  # the connection is broken
        "25",  # read-only, or the transaction is over
        "28",  # the user or the password is refused
        "3D",  # there is no such database
        "40",  # the transaction met another one
        "53",  # disk full, out of memory, too many connections
        "55",  # locked, or in use
        "57",  # stopped, starting, cancelled or timed out
        "58",  # the server's disk or system failed
    }
)
_TOO_LARGE = "54"  # a value is larger than the database can index or store
# SQLITE_BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, AUTH, NOTADB
_ABSENT_CODES = frozenset({5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 23, 26})
_SQLITE_PRIMARY_CODE = 0xFF


class Fault(StrEnum):
    """Where the fault of an error may lie."""

    ABSENCE = "absence"  # the database takes nothing now; the same batch may succeed later
    UNCERTAIN = "uncertain"  # the database refused for a reason that may pass, or may lie in one event
    EVENTS = "events"  # to merge the same again would fail again: one event, or a mistake of ours


def fault_of(error: Exception) -> Fault:
    """Return where the fault of `error` may lie, which merging raised."""
    if isinstance(error, PoolTimeout):
        return Fault.ABSENCE
    if not isinstance(error, DBAPIError):
        return Fault.EVENTS
    if (error.statement or "").startswith("BEGIN"):
        return Fault.ABSENCE  # no event was given to it yet: a standby takes no transaction that may write
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if isinstance(error, DataError | IntegrityError) or state.startswith(_TOO_LARGE):
        return Fault.EVENTS
    return Fault.ABSENCE if error.connection_invalidated or _is_absence(error, state) else Fault.UNCERTAIN


def _is_absence(error: DBAPIError, state: str) -> bool:
    if state:
        return state[:2] in _ABSENT_CLASSES
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & _SQLITE_PRIMARY_CODE in _ABSENT_CODES
    # Said by the driver itself: it could not connect, or the connection is gone.
    return type(error.orig).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")


def error_kind(error: BaseException) -> str:
    """Return the name of the error, of the driver's if it is the database's: it says enough and quotes nothing."""
    return type((error.orig or error) if isinstance(error, DBAPIError) else error).__name__
