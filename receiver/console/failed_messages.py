"""The messages behind a reason of *Failures*: those of some days that failed like a certain one, or like none of some.

Reasons that differ only in an address which they quote are one, so the database cannot tell them by a text. No URL may
have such a text either: it names a message that failed for the reason.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from flask import Response, request
from sqlalchemy import Column, ColumnElement, Connection, Select, and_, func, or_, select, text

from models.tables import MESSAGES
from receiver.console.language import zone
from receiver.console.listing import asked_day
from receiver.console.pages import ROWS_ON_A_PAGE, Pages, asked, rendered, stores
from sync.reports.queries import ReportSelection, within_days
from sync.terminal.masking import masked_text

DAYS_MAX = 31
# So many rows are looked at for one page, whose reason may be rare; the link to older rows goes on there.
ROWS_LOOKED_AT = 2_000
REASONS_LEFT_OUT_MAX = 10
# In these words, not as parameters: the index of failures is known by them.
_HAS_FAILED = text("message_status.status IN ('failed', 'undeliverable')")


class FailureReason(NamedTuple):
    """Why messages fail, as it is counted: '' is what is not known, and what looks like an address is masked."""

    channel: str
    code: str
    reason: str


def reason_of(row: Mapping[str, Any]) -> FailureReason:
    """Return the reason of a row of `report_failures` or `message_status`."""
    return FailureReason(row["channel"] or "", row["failure_code"] or "", masked_text(row["failure_reason"] or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFailures:
    """Failures of the days from `since` to `until`: of one reason, or of none of these reasons."""

    since: date
    until: date
    like: FailureReason | None
    unlike: frozenset[FailureReason]

    def has(self, row: Mapping[str, Any]) -> bool:
        reason = reason_of(row)
        return (self.like is None or reason == self.like) and reason not in self.unlike


def add_pages(pages: Pages) -> None:
    pages.page("/failed", failed_messages)


def failed_messages() -> Response:
    like, unlike = asked("like"), request.args.getlist("unlike")[:REASONS_LEFT_OUT_MAX]
    until = asked_day("day") or asked_day("until") or datetime.now(zone()).date()
    since = max(asked_day("day") or asked_day("since") or until, until - timedelta(days=DAYS_MAX - 1))
    with stores().reader.connect() as connection:
        reasons = _reasons(connection, [like, *unlike])
        wanted = WantedFailures(
            since=since,
            until=until,
            like=reasons.get(like),
            unlike=frozenset(reasons[name] for name in unlike if name in reasons),
        )
        is_gone = bool(like) and wanted.like is None
        rows, older = ([], None) if is_gone else find_failed(connection, wanted, after=asked("after"))
    return rendered(
        "failed_messages.html", rows=rows, older=older, wanted=wanted, asked_for=request.args.to_dict(flat=False)
    )


def _reasons(connection: Connection, ids: Iterable[str]) -> dict[str, FailureReason]:
    """Return for which reason each of these messages failed."""
    columns = [MESSAGES.c[name] for name in ("message_id", "channel", "failure_code", "failure_reason")]
    query = select(*columns).where(MESSAGES.c.message_id.in_(sorted(filter(None, ids))))
    return {row["message_id"]: reason_of(row) for row in map(dict, connection.execute(query).mappings())}


def find_failed(
    connection: Connection, wanted: WantedFailures, *, after: str = ""
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """Return messages that failed, the latest first, and the id after which older ones may follow.

    `after` is that id of the page before. Rows are looked at by key, at most ROWS_LOOKED_AT.
    """
    query = _query(connection, wanted)
    if after:
        place = select(MESSAGES.c.status_at, MESSAGES.c.message_id).where(MESSAGES.c.message_id == after)
        if last := connection.execute(place).one_or_none():
            query = query.where(_is_before(last.status_at, last.message_id))
    most = ROWS_LOOKED_AT if wanted.like or wanted.unlike else ROWS_ON_A_PAGE
    rows: list[Mapping[str, Any]] = []
    for looked_at, row in enumerate(map(dict, connection.execute(query.limit(most)).mappings()), 1):
        if wanted.has(row):
            rows.append(row)
        if len(rows) == ROWS_ON_A_PAGE or looked_at == most:
            return rows, row["message_id"]
    return rows, None


def _query(connection: Connection, wanted: WantedFailures) -> Select[Any]:
    columns = MESSAGES.c
    conditions: list[ColumnElement[bool]] = [*_of_days(connection, wanted)]
    if wanted.like:
        for column, value in ((columns.channel, wanted.like.channel), (columns.failure_code, wanted.like.code)):
            conditions.append(_says(column, value))
    query = select(MESSAGES).where(_HAS_FAILED, *conditions)
    return query.order_by(columns.status_at.desc(), columns.message_id.desc())


def _of_days(connection: Connection, wanted: WantedFailures) -> Iterator[ColumnElement[bool]]:
    selection = ReportSelection(since=wanted.since, until=wanted.until)
    within = within_days(connection, MESSAGES.c.status_at, selection)
    if within is not None:
        yield within


def _says(column: Column[Any], value: str) -> ColumnElement[bool]:
    return func.coalesce(column, "") == value


def _is_before(time: datetime, message_id: str) -> ColumnElement[bool]:
    columns = MESSAGES.c
    return and_(columns.status_at <= time, or_(columns.status_at < time, columns.message_id < message_id))
