"""What the tests of events share."""

from collections.abc import Sequence
from datetime import datetime
from itertools import permutations
from typing import Any

from sync.events.addresses import person_of
from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.merge import MessageRow, by_subject, distinct, message_row
from sync.events.opt_outs import OptOutKey, OptOutRow, OptOutStatement, StoredStatement, opt_out_rows, opt_outs_of
from sync.events.parse import parse
from tests.support.events_builder import AO, RECEIVED, body, minute, raw

CODE = "21610"
STRICT = ParseOptions(default_region="AO", opt_out_failures=frozenset({CODE}))
FINAL = ("delivered", "failed", "undeliverable")


def fact(
    event: str, at: float | None, *, received: datetime = RECEIVED, options: ParseOptions = AO, **data: Any
) -> Event:
    """The fact of message or campaign `x` that occurred `at` minutes after ten; None names no time."""
    return parse(raw(body(event, None if at is None else minute(at), **({"id": "x"} | data)), received), options)


def message_fact(status: str, at: float | None, **data: Any) -> Event:
    return fact(f"message.{status}", at, **data)


def refused(at: float, **data: Any) -> Event:
    """A failure by which a carrier says that the recipient has opted out."""
    return fact("message.failed", at, options=STRICT, error_code=CODE, **data)


def row(*facts: Event) -> MessageRow:
    """The row of these facts, which is the same in every order."""
    rows = [message_row(order) for order in permutations(facts)]
    assert all(row == rows[0] for row in rows)
    assert rows[0] is not None
    return rows[0]


def claims(*facts: Event) -> dict[OptOutKey, datetime]:
    """Whom these facts stop, and since when."""
    return {key: opt_out.opted_out_at for key, opt_out in opt_outs(stored(*facts)).items()}


def stored(*facts: Event) -> list[StoredStatement]:
    """What these facts state, as the history has it with the times of the ledger."""
    by_digest = {event.digest: event for event in distinct(facts)}
    statements = []
    for events in by_subject(by_digest.values()).values():
        for statement in opt_outs_of(events):
            assert statement.digest is not None
            event = by_digest[statement.digest]
            statements.append(_columns(statement, event.occurred_at, event.received_at))
    return statements


def _columns(statement: OptOutStatement, occurred_at: datetime, received_at: datetime) -> StoredStatement:
    columns = {name: getattr(statement, name) for name in ("kind", "channel", "address", "sender", "source")}
    columns |= {name: getattr(statement, name) for name in ("message_id", "digest", "reason", "opt_out_id")}
    return columns | {"person": person_of(statement.address), "occurred_at": occurred_at, "received_at": received_at}


def opt_outs(statements: Sequence[StoredStatement]) -> dict[OptOutKey, OptOutRow]:
    """The rows of these statements, which are the same in every order."""
    rows = opt_out_rows(statements)
    assert rows == opt_out_rows(statements[::-1]) == opt_out_rows(sorted(statements, key=repr))
    return rows
