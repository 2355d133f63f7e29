"""The messages that a number of a report counts, page by page: by an index and a key, never by a count of all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    case,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from models.tables import MESSAGES
from sync.reports.page_keys import Key, key_text, read_key
from sync.reports.queries import ReportSelection, day_bounds, report_daily

# A page looks at so many messages at the most. If few of them are meant, it is short and leads on.
LOOKED_AT = 10_000

_C = MESSAGES.c
_FINAL = ("delivered", "failed", "undeliverable")
# In these words, not as parameters: the indexes are known by them.
_HAS_ENDED = text("message_status.status IN ('delivered', 'failed', 'undeliverable')")
_HAS_FAILED = text("message_status.status IN ('failed', 'undeliverable')")


class CountedKind(StrEnum):
    """Which of the messages a number counts."""

    ALL = "all"  # that are known; of a campaign only
    ENDED = "ended"  # that have a final status
    DELIVERED = "delivered"
    FAILED = "failed"
    UNDELIVERABLE = "undeliverable"
    MISSED = "missed"  # that failed or are undeliverable
    UNFINISHED = "unfinished"  # that have no final status; of a campaign only
    OPT_OUTS = "opt_outs"  # that were answered with an opt-out


_STATUSES: dict[CountedKind, tuple[str | None, ...]] = {
    CountedKind.ALL: (*_FINAL, "sent", "queued", None),
    CountedKind.ENDED: _FINAL,
    CountedKind.DELIVERED: ("delivered",),
    CountedKind.FAILED: ("failed",),
    CountedKind.UNDELIVERABLE: ("undeliverable",),
    CountedKind.MISSED: ("failed", "undeliverable"),
    CountedKind.UNFINISHED: ("sent", "queued", None),
    CountedKind.OPT_OUTS: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedMessages:
    """Which messages: of a campaign, of the days from `since` to and with `until`, or of both.

    Of a campaign also those whose status came about at `begins_at` or later, and before `ends_at`. `channel` and
    `sender` are as a report has them: '' if no event names one, None is any. So are `code` and `reason` of a failure.
    """

    kind: CountedKind
    campaign_id: str | None = None
    since: date | None = None
    until: date | None = None
    channel: str | None = None
    sender: str | None = None
    code: str | None = None
    reason: str | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def is_bounded(self) -> bool:
        """Return whether an index finds them: of a campaign, or of days on which they ended."""
        if self.campaign_id is not None:
            return True
        return self.since is not None and self.kind not in (CountedKind.ALL, CountedKind.UNFINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Rows of `message_status`, and the key after which the next page begins, None if there is none."""

    rows: Sequence[Row[Any]]
    after: str | None


Columns = ReadOnlyColumnCollection[str, Any]
Condition = Callable[[Columns], ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Messages in the order of one index. `within` is what the index finds, `matching` what is meant of that.

    Runs are in the order of their names, which stay the same if one is added between two pages.
    """

    name: str
    within: tuple[Any, ...]
    order: tuple[Column[Any], ...]
    matching: tuple[Condition, ...] = ()


def counted_messages(connection: Connection, asked: CountedMessages, *, after: str, limit: int) -> MessagePage:
    """Return at most `limit` of the messages that come after the key `after`, '' for the first page.

    A page may be shorter, or empty, and yet lead on: it looks at LOOKED_AT messages at the most. A key that is none of
    ours begins with the first page. Raises ValueError if `asked` is not bounded.
    """
    if not asked.is_bounded:
        raise ValueError("neither a campaign nor days")
    first, key = read_key(after)
    rows: list[Row[Any]] = []
    for run in _runs(connection, asked):
        if run.name < first:
            continue
        begin = key if run.name == first else ()
        # An end only if some are left out: without that, as many are looked at as are shown.
        end = _last_looked_at(connection, run, begin) if run.matching else None
        further_rows = _read(connection, run, begin, end, limit + 1 - len(rows))
        if len(rows) + len(further_rows) > limit:
            last_rows = further_rows[: limit - len(rows)]
            return MessagePage(
                rows=[*rows, *last_rows], after=key_text(run.name, _place(run, last_rows[-1]) if last_rows else begin)
            )
        rows += further_rows
        if end is not None:
            return MessagePage(rows=rows, after=key_text(run.name, end))
    return MessagePage(rows=rows, after=None)


def _runs(connection: Connection, asked: CountedMessages) -> Iterator[_Run]:
    until = asked.until or asked.since
    of_days = ReportSelection(since=asked.since, until=until)
    return _of_campaign(connection, asked, of_days) if asked.campaign_id else _of_days(connection, asked, of_days)


def _of_campaign(connection: Connection, asked: CountedMessages, days: ReportSelection) -> Iterator[_Run]:
    matching = (*_of_channel(asked), *_matching(asked))
    for begin, end in (day_bounds(connection, days), (asked.begins_at, asked.ends_at)):
        matching += tuple(_between(begin, end))
    of_campaign = _C.campaign_id == asked.campaign_id
    if asked.kind is CountedKind.OPT_OUTS:
        opted_out = (of_campaign, _C.opted_out_at.is_not(None))
        yield _Run(name="", within=opted_out, order=(_C.message_id,), matching=matching)
    for place, status in enumerate(_STATUSES[asked.kind]):
        of_status = (of_campaign, _is(_C.status, status))
        yield _Run(name=str(place), within=of_status, order=(_C.message_id,), matching=matching)


def _of_days(connection: Connection, asked: CountedMessages, days: ReportSelection) -> Iterator[_Run]:
    begin, end = day_bounds(connection, days)
    within = (_C.status_at >= begin, _C.status_at < end)
    order = (_C.status_at, _C.message_id)
    statuses = [status for status in _STATUSES[asked.kind] or _FINAL if status]
    of_status: Condition = lambda columns: columns.status.in_(statuses)  # noqa: E731
    matching = (of_status, *_matching(asked))
    if asked.kind is CountedKind.OPT_OUTS:
        opted_out = (*within, _C.opted_out_at.is_not(None))
        yield _Run(name="", within=opted_out, order=order, matching=(*matching, *_of_channel(asked)))
    elif asked.kind in (CountedKind.FAILED, CountedKind.UNDELIVERABLE, CountedKind.MISSED):
        failed = (*within, _HAS_FAILED)
        yield _Run(name="", within=failed, order=order, matching=(*matching, *_of_channel(asked)))
    else:
        for channel in _channels(connection, asked, days):
            ended = (_is(_C.channel, channel or None), *within, _HAS_ENDED)
            yield _Run(name=channel, within=ended, order=order, matching=matching)


def _between(begin: datetime | None, end: datetime | None) -> Iterator[Condition]:
    if begin is not None:
        yield lambda columns: columns.status_at >= begin
    if end is not None:
        yield lambda columns: columns.status_at < end


def _channels(connection: Connection, asked: CountedMessages, days: ReportSelection) -> list[str]:
    """Return the channel that is asked for, else each on which messages ended in these days."""
    if asked.channel is not None:
        return [asked.channel]
    return sorted({row["channel"] for row in report_daily(connection, days).rows})


def _of_channel(asked: CountedMessages) -> tuple[Condition, ...]:
    return () if asked.channel is None else (lambda columns: _is(columns.channel, asked.channel or None),)


def _matching(asked: CountedMessages) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    if asked.sender is not None:
        conditions.append(lambda columns: _counted_sender(columns) == asked.sender)
    for name, value in (("failure_code", asked.code), ("failure_reason", asked.reason)):
        if value is not None:
            conditions.append(partial(_says, name, value))
    return tuple(conditions)


def _says(name: str, value: str, columns: Columns) -> ColumnElement[bool]:
    return func.coalesce(columns[name], "") == value


def _counted_sender(columns: Columns) -> ColumnElement[str]:
    """Return under which name a sender is counted, as `contribution.counted_sender` has it."""
    sender = func.coalesce(columns.sender, "")
    return case((sender.like("%@%"), sender), else_=func.upper(sender))


def _is(column: Any, value: str | None) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = column.is_(None) if value is None else column == value
    return condition


def _last_looked_at(connection: Connection, run: _Run, begin: Key) -> Key | None:
    """Return the last of the LOOKED_AT messages after `begin`, None if there are no more than these."""
    query = select(*run.order).where(*run.within, *_beyond(run, begin)).order_by(*run.order)
    last = connection.execute(query.offset(LOOKED_AT - 1).limit(1)).one_or_none()
    return None if last is None else _place(run, last)


def _read(connection: Connection, run: _Run, begin: Key, end: Key | None, limit: int) -> Sequence[Row[Any]]:
    matching = (condition(_C) for condition in run.matching)
    until = () if end is None else (tuple_(*run.order) <= _values(run, end),)
    query = select(MESSAGES).where(*run.within, *_beyond(run, begin), *until, *matching)
    return connection.execute(query.order_by(*run.order).limit(limit)).all()


def _beyond(run: _Run, begin: Key) -> tuple[ColumnElement[bool], ...]:
    # A row of values, so that the index leads to it, on either database.
    return (tuple_(*run.order) > _values(run, begin),) if len(begin) == len(run.order) else ()


def _values(run: _Run, key: Key) -> ColumnElement[Any]:
    return tuple_(*(literal(value, column.type) for value, column in zip(key, run.order, strict=True)))


def _place(run: _Run, row: Row[Any]) -> Key:
    return tuple(getattr(row, column.name) for column in run.order)
