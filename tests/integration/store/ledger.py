"""What the tests of store share."""

import hashlib
from datetime import datetime
from itertools import permutations
from typing import Any

from sqlalchemy import Engine, text

from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.store.apply import apply
from sync.store.tally import Tally
from tests.conftest import NOW
from tests.support.events_builder import AO, Row, body, clear, everything, minute, raw, rows

CODE = "21610"


def give(engine: Engine, *events: RawEvent | bytes, options: ParseOptions = AO) -> Tally:
    """Apply the events as one batch."""
    batch = [event if isinstance(event, RawEvent) else raw(event) for event in events]
    return apply(engine, batch, options=options, now=NOW)


def message_event(status: str, at: float | None, received: float = 120, **data: Any) -> RawEvent:
    """An event of message msg_1 that occurred `at` minutes after ten, and was received `received` after."""
    content = body(f"message.{status}", None if at is None else minute(at), **({"message_id": "msg_1"} | data))
    return raw(content, minute(received))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def only_row(rows_found: list[Row]) -> Row:
    (row,) = rows_found
    return row


def message(engine: Engine) -> Row:
    return only_row(rows(engine, "message_status"))


def held_body(engine: Engine) -> bytes:
    """The body that holds, of the only fact there is."""
    with engine.connect() as connection:
        query = text("SELECT body FROM bodies JOIN events ON events.body_id = bodies.id")
        return bytes(connection.execute(query).scalar_one())


def stopped(engine: Engine) -> dict[tuple[str, str, str], datetime]:
    """Who must not be messaged, and since when."""
    return {(row["channel"], row["address"], row["sender"]): row["opted_out_at"] for row in rows(engine, "opt_outs")}


def active(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT address FROM active_opt_outs ORDER BY address")).scalars())


def in_every_order(engine: Engine, *events: RawEvent, options: ParseOptions = AO) -> list[dict[str, list[Row]]]:
    """What the tables say after each order of the events, one at a time, and after one batch of all."""
    states = []
    for batches in [*([[event] for event in order] for order in permutations(events)), [list(events)]]:
        clear(engine)
        for batch in batches:
            give(engine, *batch, options=options)
        states.append(everything(engine))
    return states


def assert_one_answer(states: list[dict[str, list[Row]]]) -> None:
    for other in states[1:]:
        assert other == states[0]


# Opt-outs that hide in failures


def refused(at: float, received: float = 120, **data: Any) -> RawEvent:
    return message_event("failed", at, received, error_code=CODE, **data)
