"""Are the keys at hand that the hashes of forgotten people need? Web and worker refuse to run otherwise."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, select

from models.refusals import ForgetKeyMissing
from models.tables import FORGET_KEYS

# Locks the table, though it may be empty: `person forget` waits for every transaction that read it before.
_IN_USE = select(FORGET_KEYS.c.key_id).with_for_update(read=True, key_share=True)


def require_forget_keys(engine: Engine, key_ids: Collection[str]) -> None:
    """Raise ForgetKeyMissing unless the ids of all keys in use are among `key_ids`. Database errors pass through."""
    with engine.connect() as connection:
        if missing := missing_forget_keys(connection, key_ids):
            raise ForgetKeyMissing(missing)


def missing_forget_keys(connection: Connection, key_ids: Collection[str]) -> set[str]:
    """Return the ids of the keys in use that are not among `key_ids`."""
    return set(connection.execute(select(FORGET_KEYS.c.key_id)).scalars()).difference(key_ids)


def hold_forget_keys(connection: Connection, key_ids: Collection[str]) -> bool:
    """Return whether anybody was forgotten; until the transaction ends nobody else will be.

    Raises ForgetKeyMissing. On SQLite a transaction that writes is alone anyway.
    """
    in_use = set(connection.execute(_IN_USE).scalars())
    if missing := in_use.difference(key_ids):
        raise ForgetKeyMissing(missing)
    return bool(in_use)
