"""Are the keys at hand that the hashes of forgotten people need? Web and worker refuse to run otherwise."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, select

from models.refusals import ForgetKeyMissing
from models.tables import FORGET_KEYS

# Locks the table, though it may be empty: `person forget` waits for every transaction that read it before.
_IN_USE = select(FORGET_KEYS.c.key_id).with_for_update(read=True, key_share=True)


def require_forget_keys(engine: Engine, given: Collection[str]) -> None:
    """Raise ForgetKeyMissing unless all keys in use are among `given`, by their ids. Database errors pass through."""
    with engine.connect() as connection:
        if missing := missing_forget_keys(connection, given):
            raise ForgetKeyMissing(missing)


def missing_forget_keys(connection: Connection, given: Collection[str]) -> set[str]:
    """Return the ids of the keys in use that are not among `given`."""
    return set(connection.execute(select(FORGET_KEYS.c.key_id)).scalars()).difference(given)


def hold_forget_keys(connection: Connection, given: Collection[str]) -> bool:
    """Return whether anybody was forgotten; until the transaction ends nobody else will be.

    Raises ForgetKeyMissing. On SQLite a transaction that writes is alone anyway.
    """
    in_use = set(connection.execute(_IN_USE).scalars())
    if missing := in_use.difference(given):
        raise ForgetKeyMissing(missing)
    return bool(in_use)
