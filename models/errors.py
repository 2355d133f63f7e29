"""What a database error says, in one line that anybody may read; where its fault lies; and whether waiting helps.

The driver's own texts quote rows: a phone number, a body. Only what cannot is passed on. The kinds of errors of
PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html; of SQLite: https://www.sqlite.org/rescode.html.
"""

import re
from enum import StrEnum
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Classes of SQLSTATE whose messages name objects, roles and limits, but no values. They are about: connection,
# authorisation, unknown database or schema, wrong object, resources, limits, state, intervention, the system's errors.
_SPEAKING = ("08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
_SPEAKING_OF_SQLITE = ("OperationalError", "DatabaseError", "NotSupportedError")
_LENGTH_MAX = 300

# Errors that waiting does not mend. Before a client has signed in, servers say them in words, without SQLSTATE.
_MISCONFIGURED = re.compile(
    r"""
    (database|role|user)\ .*\ does\ not\ exist | no\ such\ (database|user) | permission\ denied\ for\ database
    | authentication\ failed | no\ password\ supplied | no\ pg_hba\.conf\ entry | pg_hba\.conf\ rejects
    | Name\ or\ service\ not\ known | nodename\ nor\ servname | No\ address\ associated
    | certificate\ verify\ failed | certificate\ .*\ does\ not\ (exist|match) | root\ certificate
    | does\ not\ support\ SSL
    | (SSL|TLS)\ (is\ )?required | invalid\ .*\ value | invalid\ port\ number | invalid\ connection\ option
    | could\ not\ (load|read|open)\ .*\ file | definition\ of\ service | channel\ binding\ (is\ )?required
    | unsupported\ startup\ parameter | unable\ to\ open\ database\ file | file\ is\ not\ a\ database
    """,
    re.VERBOSE | re.IGNORECASE,
)

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
_SQLITE_PRIMARY_CODE = 0xFF  # SQLite's extended codes hold the primary one in the lowest byte
# A lock that another transaction holds, or transactions that met: serialization_failure, deadlock_detected,
# lock_not_available; SQLITE_BUSY, SQLITE_LOCKED.
_BLOCKED_STATES = frozenset({"40001", "40P01", "55P03"})
_BLOCKED_CODES = frozenset({5, 6})


class Fault(StrEnum):
    """Where the fault of an error may lie."""

    ABSENCE = "absence"  # the database takes nothing now; the same batch may succeed later
    UNCERTAIN = "uncertain"  # the database refused for a reason that may pass, or may lie in one event
    EVENTS = "events"  # to merge the same again would fail again: one event, or a bug of zexa-sync


def error_reason(error: Exception) -> str:
    """Return why `error` was raised, in one line: what a database says, and of any other error its kind."""
    return error_line(error) if isinstance(error, DBAPIError) else error_kind(error)


def error_kind(error: BaseException) -> str:
    """Return the name of the error, of the driver's if it is the database's: it says enough and quotes nothing."""
    return type((error.orig or error) if isinstance(error, DBAPIError) else error).__name__


def error_line(error: DBAPIError) -> str:
    """Return what the driver says, in one line without passwords and without values of rows."""
    driver: Any = error.orig or error
    kind = type(driver).__name__
    sqlstate = getattr(driver, "sqlstate", None)
    if sqlstate:
        diagnosis = driver.diag
        # A trigger raises the customer's text, which may quote anything under any SQLSTATE.
        is_raised = diagnosis.source_function == "exec_stmt_raise"
        if is_raised or not sqlstate.startswith(_SPEAKING):
            return _named(kind, sqlstate, diagnosis.constraint_name or diagnosis.table_name)
        return _cleaned(diagnosis.message_primary or kind)
    if type(driver).__module__ == "sqlite3" and kind not in _SPEAKING_OF_SQLITE:
        return kind
    return _cleaned(str(driver)) or kind


def is_misconfigured(error: DBAPIError) -> bool:
    """Return whether the database will not answer until a person changes a setting, of zexa-sync or of the database.

    Refused connections, time-outs, and servers that start up or are full are absences, which end. An unknown error may
    end too: zexa-sync waits for a server that speaks another language than English.
    """
    driver: Any = error.orig or error
    if getattr(driver, "sqlstate", None):
        return bool(driver.sqlstate.startswith(("28", "3D")))
    return bool(_MISCONFIGURED.search(str(driver)))


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


def is_blocked(error: DBAPIError) -> bool:
    """Return whether another transaction was in the way: it holds a lock, or both met."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & _SQLITE_PRIMARY_CODE in _BLOCKED_CODES
    return getattr(error.orig, "sqlstate", None) in _BLOCKED_STATES


def _named(kind: str, sqlstate: str, name: str | None) -> str:
    return f"{kind}, SQLSTATE {sqlstate}" + (f", {name}" if name else "")


def _cleaned(text: str) -> str:
    """Return the line that matters most, without the driver's preface and hints; never a line that quotes a row."""
    lines = [line.strip() for line in text.splitlines() if not re.match(r"\s*(DETAIL|CONTEXT|HINT|STATEMENT):", line)]
    # A host may have several addresses: one refuses, and another says what is wrong.
    cause = next((line for line in lines if _MISCONFIGURED.search(line)), "") or next(filter(None, lines), "")
    cause = re.sub(r"^(- host: .*?: )?(connection failed|connection is bad|consuming input failed): ", "", cause)
    cause = re.sub(r"password=\S+", "password=…", cause)
    # Numbers of people have seven digits or more, and no dots.
    cause = re.sub(r"(?<![\d.])\+?\d{7,}(?![\d.])", "…", cause)
    return "".join(character for character in cause if character.isprintable())[:_LENGTH_MAX]
