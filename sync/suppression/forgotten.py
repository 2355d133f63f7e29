"""Asks the database for forgotten people too, by the pseudonyms that stand for them there.

As long as nobody was forgotten no pseudonym is worked out: the statement says which keys are in use.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Engine

from sync.events.forget_keys import ForgetKey
from sync.suppression.statement import LookupQuery, LookupResult


class PeopleQuery:
    """Asks one database, whose engine may be read-only, with the keys of forgotten people. Safe for threads."""

    def __init__(self, engine: Engine, keys: Sequence[ForgetKey]) -> None:
        self._query = LookupQuery(engine)
        self._keys = keys
        self._key_ids = {key.key_id for key in keys}
        self._is_anybody_forgotten = False

    def ask(self, persons: Collection[str], oldest_in_queue: datetime | None) -> tuple[LookupResult, bool]:
        """Return what there is of these persons, and whether a key is lacking to know it. Raises NotAnswered."""
        result, people = self._ask(persons, oldest_in_queue)
        if result.keys_in_use and not self._is_anybody_forgotten:
            self._is_anybody_forgotten = True
            result, people = self._ask(persons, oldest_in_queue)
        if people:
            opt_outs = [
                opt_out._replace(person=people.get(opt_out.person, opt_out.person)) for opt_out in result.opt_outs
            ]
            result = result._replace(opt_outs=opt_outs)
        return result, not self._key_ids.issuperset(result.keys_in_use)

    def _ask(self, persons: Collection[str], oldest_in_queue: datetime | None) -> tuple[LookupResult, dict[str, str]]:
        keys = self._keys if self._is_anybody_forgotten else ()
        people = {key.pseudonym(person): person for person in persons for key in keys}
        return self._query.ask([*persons, *people], oldest_in_queue), people
