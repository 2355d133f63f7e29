"""What the tests of forgetting share: how a person is forgotten, and what must be found nowhere afterwards."""

from dataclasses import replace
from functools import cache

from sqlalchemy import Engine, delete, inspect

from models.forget_key_in_use import ForgetKeyInUse
from models.tables import FORGOTTEN_PEOPLE
from sync.events.forget_keys import ForgetKey
from sync.events.interpretation import ParseOptions
from sync.person.erasure import Erasure
from sync.person.forget import ErasedCounts, erase_rows
from sync.person.record import record_forgotten
from tests.support.events_builder import AO, clear

KEY = "a key of the tests and of nobody else"
OPTIONS = replace(AO, forget_keys=(ForgetKey.from_secret(KEY.encode()),))
BY, REASON = "Maria", "letter 1234"


def forget(engine: Engine, person: str, options: ParseOptions = OPTIONS) -> ErasedCounts:
    """Forget `person`, all but what waits in a queue."""
    pseudonym = record_forgotten(engine, person, options, by=BY, reason=REASON)
    counts = ErasedCounts()
    erasure = Erasure(engine=engine, reader=engine, options=options, person=person, pseudonym=pseudonym)
    erase_rows(erasure, counts)
    return counts


def clear_with_forgotten(engine: Engine) -> None:
    clear(engine)
    with engine.begin() as connection:
        for model in (FORGOTTEN_PEOPLE, ForgetKeyInUse):
            connection.execute(delete(model))


def dumped(engine: Engine) -> str:
    """Every row of every table, as text; bytes are read as Latin-1."""
    with engine.connect() as connection:
        rows = [row for name in _tables(engine) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')]
    return repr([[value.decode("latin-1") if isinstance(value, bytes) else value for value in row] for row in rows])


@cache
def _tables(engine: Engine) -> list[str]:
    return inspect(engine).get_table_names()
