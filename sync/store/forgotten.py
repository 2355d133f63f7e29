"""Who was forgotten, as the transaction of a batch sees it: each batch asks, and leaves out what names one of them.

If nobody was forgotten that is one look at an empty table.
"""

import json
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, func, select

from models.forget_keys import hold_forget_keys
from models.tables import FORGOTTEN_PEOPLE
from sync.events.forgotten import ForgottenPeople, ForgottenPerson, NameMark
from sync.events.interpretation import ParseOptions

# Of each database the number of the person who was forgotten last, and all whom it then had.
_KEPT: WeakKeyDictionary[Engine, tuple[int, ParseOptions, ForgottenPeople]] = WeakKeyDictionary()

_LAST = select(func.max(FORGOTTEN_PEOPLE.c.id))


def forgotten_people(connection: Connection, options: ParseOptions) -> ForgottenPeople | None:
    """Return all who were forgotten, None if nobody was; until the transaction ends nobody else will be.

    Raises ForgetKeyMissing if a key of theirs is none of `options.forget_keys`. It must come before the first write to
    any table of this transaction, but for the inbox. The transaction that forgets somebody waits for all that came
    before.
    """
    if not hold_forget_keys(connection, {key.key_id for key in options.forget_keys}):
        return None
    last: int = connection.execute(_LAST).scalar_one()
    cached = _KEPT.get(connection.engine)
    if cached is None or cached[:2] != (last, options):
        cached = _KEPT[connection.engine] = (last, options, _read(connection, options))
    return cached[2]


def _read(connection: Connection, options: ParseOptions) -> ForgottenPeople:
    keys = {key.key_id: key for key in options.forget_keys}
    rows: Any = connection.execute(select(FORGOTTEN_PEOPLE))
    people = [
        ForgottenPerson(
            row.id, row.pseudonym, keys[row.key_id], tuple(NameMark(*mark) for mark in json.loads(row.marks))
        )
        for row in rows
    ]
    return ForgottenPeople(people, default_region=options.default_region)
