"""Finds e-mail opt-outs that may be a mail scanner's, by keys and within bounds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from models.statements import is_one_of
from models.tables import HISTORY, MESSAGES
from sync.opt_outs.scanner_hints import MailOptOut, ScannerHint, scanner_hints

# Statements are numbered as they are applied, so those of one minute stand near each other.
NEIGHBOURS = 500
SPANS_MAX = 5
IDS_MAX = 200
LATEST = 1_000

Statement = Row[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestHints:
    """Of the LATEST statements: how many are e-mail opt-outs, and those that may be a scanner's, the latest first."""

    mail_opt_outs: int
    hinted: Sequence[tuple[Statement, ScannerHint]]


def find_scanner_hints(connection: Connection, ids: Sequence[int]) -> dict[int, ScannerHint]:
    """Return the hints of those of the statements `ids`, at most the latest IDS_MAX, that may be a scanner's.

    Bursts are counted among the NEIGHBOURS before and after each, so a burst may be larger than its hint says.
    """
    own_opt_outs = _mail_opt_outs(connection, is_one_of(connection, HISTORY.c.id, sorted(ids)[-IDS_MAX:]))
    if not own_opt_outs:
        return {}
    is_near = [
        and_(HISTORY.c.id >= first, HISTORY.c.id <= last) for first, last in _spans([row.id for row in own_opt_outs])
    ]
    near = _mail_opt_outs(connection, or_(*is_near))
    hints = _hints(connection, {row.id: row for row in (*near, *own_opt_outs)}.values())
    return {row.id: hints[row.id] for row in own_opt_outs if row.id in hints}


def latest_scanner_hints(connection: Connection) -> LatestHints:
    """Return the hints of the latest statements."""
    last = connection.execute(select(func.max(HISTORY.c.id))).scalar_one() or 0
    rows = _mail_opt_outs(connection, HISTORY.c.id > last - LATEST)
    hints = _hints(connection, rows)
    hinted = sorted((row for row in rows if row.id in hints), key=lambda row: (row.occurred_at, row.id), reverse=True)
    return LatestHints(mail_opt_outs=len(rows), hinted=[(row, hints[row.id]) for row in hinted])


def _spans(ids: Iterable[int]) -> list[tuple[int, int]]:
    """Return from where to where the neighbours of `ids` reach, the SPANS_MAX latest spans."""
    spans: list[tuple[int, int]] = []
    for number in sorted(ids):
        first, last = number - NEIGHBOURS, number + NEIGHBOURS
        if spans and first <= spans[-1][1]:
            spans[-1] = spans[-1][0], last
        else:
            spans.append((first, last))
    return spans[-SPANS_MAX:]


def _mail_opt_outs(connection: Connection, condition: ColumnElement[bool]) -> Sequence[Statement]:
    """Return the statements of events that opt out somebody by e-mail and say when, in the order of their ids."""
    columns = HISTORY.c
    is_mail = and_(columns.person.like("%@%"), func.coalesce(columns.channel, "").in_(["", "email"]))
    is_event = and_(columns.kind == "opted_out", columns.source == "event", columns.occurred_at.is_not(None))
    names = ("id", "person", "address", "occurred_at", "message_id")
    query = select(*(columns[name] for name in names)).where(condition, is_event, is_mail)
    return connection.execute(query.order_by(columns.id)).all()


def _hints(connection: Connection, statements: Iterable[Statement]) -> dict[int, ScannerHint]:
    rows = list(statements)
    columns, ids = MESSAGES.c, sorted({row.message_id for row in rows if row.message_id})
    is_delivered = and_(is_one_of(connection, columns.message_id, ids), columns.delivered_at.is_not(None))
    messages = connection.execute(select(columns.message_id, columns.delivered_at).where(is_delivered)) if ids else ()
    delivered = {row.message_id: row.delivered_at for row in messages}
    return scanner_hints(
        MailOptOut(
            statement_id=row.id,
            person=row.person,
            occurred_at=row.occurred_at,
            delivered_at=delivered.get(row.message_id),
        )
        for row in rows
    )
