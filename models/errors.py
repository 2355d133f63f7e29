"""What a database error says, in one line that anybody may read, and whether waiting helps.

The driver's own texts quote rows: a phone number, a body. Only what cannot is passed on.
"""

import re
from typing import Any

from sqlalchemy.exc import DBAPIError

# Classes of SQLSTATE whose messages name objects, roles and limits, but no values. They are about: connection,
# authorisation, unknown database or schema, wrong object, resources, limits, state, intervention, the system's errors.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
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


def _named(kind: str, sqlstate: str, name: str | None) -> str:
    return f"{kind}, SQLSTATE {sqlstate}" + (f", {name}" if name else "")


def _cleaned(text: str) -> str:
    """Return the line that matters most, without the driver's preface and hints; never a line that quotes a row."""
    lines = [line.strip() for line in text.splitlines() if not re.match(r"\s*(DETAIL|CONTEXT|HINT|STATEMENT):", line)]
    # A host may have several addresses: one refuses, and another says what is wrong.
    said = next((line for line in lines if _MISCONFIGURED.search(line)), "") or next(filter(None, lines), "")
    said = re.sub(r"^(- host: .*?: )?(connection failed|connection is bad|consuming input failed): ", "", said)
    said = re.sub(r"password=\S+", "password=…", said)
    # Numbers of people have seven digits or more, and no dots.
    said = re.sub(r"(?<![\d.])\+?\d{7,}(?![\d.])", "…", said)
    return "".join(character for character in said if character.isprintable())[:_LENGTH_MAX]
