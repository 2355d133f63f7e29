"""Signing in with a password. After five wrong tries the next one has to wait, longer each time.

Tries are counted by user and by client, in the database, so that all web processes know of them. A user waits a
minute at the most: nobody can lock somebody else out for long.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.statements import is_one_of
from models.tables import CONSOLE_TRIES
from sync.users.accounts import Account, find_account, note_sign_in, stored_hash
from sync.users.audit import Action, note
from sync.users.passwords import matches

FREE_TRIES = 5
USER_SECONDS_MAX, CLIENT_SECONDS_MAX = 60, 900
FORGOTTEN_AFTER = timedelta(seconds=CLIENT_SECONDS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """`account` is None if the name or the password is wrong, or nothing was compared: then `wait_seconds` is not 0."""

    account: Account | None
    wait_seconds: int = 0


def wait_after(tries: int, seconds_max: int) -> int:
    """Return for how many seconds after the last of `tries` wrong ones no other is looked at. Pure."""
    return 0 if tries < FREE_TRIES else min(2 ** (tries - FREE_TRIES + 1), seconds_max)


def sign_in(engine: Engine, name: str, password: str, client: str, now: datetime) -> SignIn:
    """Return who signs in. Every wrong try is counted; a right one clears the tries of the user."""
    keys = [_key("user", name), _key("client", client)]
    with engine.begin() as connection:
        wait_seconds = _wait(connection, keys, now)
        password_hash, account = stored_hash(connection, name), find_account(connection, name)
        if wait_seconds:
            return SignIn(account=None, wait_seconds=wait_seconds)
        # Counted before the password is looked at: many tries at once are counted all the same.
        _count(connection, keys, now)
    # Outside of any transaction: to compare takes a tenth of a second, and on SQLite nobody else could write meanwhile.
    is_right = matches(password_hash, password)
    if account is None or account.is_disabled or not is_right:
        return SignIn(account=None)
    with engine.begin() as connection:
        _take_back(connection, *keys)
        note_sign_in(connection, name, now)
        note(connection, name, Action.SIGNED_IN, now)
    return SignIn(account=account)


def _wait(connection: Connection, keys: Sequence[str], now: datetime) -> int:
    connection.execute(delete(CONSOLE_TRIES).where(CONSOLE_TRIES.c.tried_at < now - FORGOTTEN_AFTER))
    query = select(CONSOLE_TRIES).where(is_one_of(connection, CONSOLE_TRIES.c.key, keys)).with_for_update()
    rows = {row.key: row for row in connection.execute(query.order_by(CONSOLE_TRIES.c.key))}
    waits = [0]
    for key, seconds_max in zip(keys, (USER_SECONDS_MAX, CLIENT_SECONDS_MAX), strict=True):
        if row := rows.get(key):
            passed = (now - row.tried_at).total_seconds()
            waits.append(int(wait_after(row.tries, seconds_max) - passed + 0.999))
    return max(waits)


def _count(connection: Connection, keys: Sequence[str], now: datetime) -> None:
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(CONSOLE_TRIES)
    add_one = {"tries": CONSOLE_TRIES.c.tries + 1, "tried_at": insert.excluded.tried_at}
    upsert = insert.on_conflict_do_update(index_elements=[CONSOLE_TRIES.c.key], set_=add_one)
    connection.execute(upsert, [{"key": key, "tries": 1, "tried_at": now} for key in sorted(keys)])


def _take_back(connection: Connection, user: str, client: str) -> None:
    """Forget the tries of the user, and the one of the client that was right.

    The others of the client stay: or whoever has one password could guess another for ever.
    """
    is_client = CONSOLE_TRIES.c.key == client
    connection.execute(delete(CONSOLE_TRIES).where(CONSOLE_TRIES.c.key == user))
    connection.execute(update(CONSOLE_TRIES).where(is_client).values(tries=CONSOLE_TRIES.c.tries - 1))


def _key(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}\0{text}".encode("utf-8", "replace")).hexdigest()
