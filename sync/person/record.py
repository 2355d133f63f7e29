"""Records that a person is forgotten. What is applied from then on keeps nothing of them but the pseudonym."""

import json
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Connection, Engine, insert, select, text

from models.tables import FORGET_KEYS, FORGOTTEN_PEOPLE
from sync.events.forgotten import marks_of
from sync.events.interpretation import ParseOptions
from sync.events.opt_outs import OptOutSource, OptOutStatement, ended_at
from sync.store.forgotten import forgotten_people
from sync.store.opt_outs import hold_statements, read_rows, read_statements, state

LOCK_SECONDS = 2


def record_forgotten(engine: Engine, person: str, options: ParseOptions, *, by: str, reason: str) -> str:
    """Record that `person` is forgotten, who asked for it and why, and opt them out; return the pseudonym.

    Owns its transaction, which waits for every batch that began before. So every batch that comes afterwards knows. If
    the person was forgotten before and is opted out, nothing is written. Raises ForgetKeyMissing, and errors of the
    database, also if a batch lasts longer than LOCK_SECONDS.
    """
    with engine.begin() as connection:
        _wait_for_batches(connection)
        people = forgotten_people(connection, options)
        forgotten = people.find(person) if people else None
        pseudonym = forgotten.pseudonym if forgotten else _add(connection, person, options)
        _opt_out(connection, pseudonym, by=by, reason=reason)
    return pseudonym


def _wait_for_batches(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text("LOCK TABLE forget_keys IN EXCLUSIVE MODE"))


def _add(connection: Connection, person: str, options: ParseOptions) -> str:
    key = options.forget_keys[0]
    if key.key_id not in connection.execute(select(FORGET_KEYS.c.key_id)).scalars().all():
        connection.execute(insert(FORGET_KEYS), {"key_id": key.key_id})
    pseudonym = key.pseudonym(person)
    row = {
        "pseudonym": pseudonym,
        "key_id": key.key_id,
        "marks": json.dumps(marks_of(person, key)),
        "forgotten_at": datetime.now(UTC),
        "is_erasing": False,
    }
    connection.execute(insert(FORGOTTEN_PEOPLE), row)
    return pseudonym


def _opt_out(connection: Connection, pseudonym: str, *, by: str, reason: str) -> None:
    """Opt the person out of everything, unless that stands."""
    hold_statements(connection, alone=True)
    key = ("", pseudonym, "")
    row = read_rows(connection, [pseudonym]).get(key)
    if row is not None and row.is_in_force:
        return
    now = datetime.now(UTC)
    ended_time = ended_at(key, read_statements(connection, [pseudonym]))
    statement = OptOutStatement(
        channel="",
        address=pseudonym,
        sender="",
        occurred_at=max(now, ended_time) if ended_time else now,  # another machine's clock may be ahead
        source=OptOutSource.MANUAL,
        stated_by=by,
        reason=reason,
        opt_out_id=uuid4().hex,
    )
    state(connection, [statement], now)
