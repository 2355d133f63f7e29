"""The messages that a number of a report counts, page by page: by an index and a key, never by a count of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func

from models.indexed import HAS_ENDED, HAS_FAILED
from models.tables import MESSAGES
from sync.reports.counting import sender_as_counted
from sync.reports.index_runs import Condition, IndexRun
from sync.reports.page_keys import key_text, read_key
from sync.reports.queries import ReportSelection, day_bounds, report_daily
from sync.reports.reasons import FailureReason, reason_of
from sync.rollups.contribution import FINAL

# A page looks at so many messages, and reads so many reasons, at the most. If few are meant it is short and leads on.
LOOKED_AT = 10_000
REASONS_READ = 2_000

_C = MESSAGES.c


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
    CountedKind.ALL: (*FINAL, "sent", "queued", None),
    CountedKind.ENDED: FINAL,
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
    `sender` are as a report has them: '' if no event names one, None is any. Of failures those with the code and the
    reason of `like`, whichever channel it names, and with none of the reasons `unlike`.
    """

    kind: CountedKind
    campaign_id: str | None = None
    since: date | None = None
    until: date | None = None
    channel: str | None = None
    sender: str | None = None
    like: FailureReason | None = None
    unlike: frozenset[FailureReason] = frozenset()
    begins_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def is_bounded(self) -> bool:
        """Return whether an index finds them: of a campaign, or of days on which they ended."""
        if self.campaign_id is not None:
            return True
        return self.since is not None and self.kind not in (CountedKind.ALL, CountedKind.UNFINISHED)

    @property
    def has_reasons(self) -> bool:
        """Return whether reasons decide. The database cannot compare them: they are masked."""
        return self.like is not None or bool(self.unlike)

    def has(self, row: Row[Any]) -> bool:
        if not self.has_reasons:
            return True
        reason = reason_of(row._mapping)
        return (self.like is None or reason[1:] == self.like[1:]) and reason not in self.unlike


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Rows of `message_status`, and the key after which the next page begins, None if there is none."""

    rows: Sequence[Row[Any]]
    after: str | None


def counted_messages(connection: Connection, selection: CountedMessages, *, after: str, limit: int) -> MessagePage:
    """Return at most `limit` of the messages that come after the key `after`, '' for the first page.

    Those of a campaign are in the order of their ids, those of days the latest first, by channel if all are meant that
    ended. A page may be shorter, or empty, and yet lead on: it looks at LOOKED_AT messages at the most, and reads the
    reasons of REASONS_READ. A key that is none of ours begins with the first page. Raises ValueError if `selection`
    is not bounded.
    """
    if not selection.is_bounded:
        raise ValueError("neither a campaign nor days")
    first, key = read_key(after)
    rows: list[Row[Any]] = []
    for run in _runs(connection, selection):
        if run.name < first:
            continue
        begin = key if run.name == first else ()
        # An end only if some are left out: without that, as many are looked at as are shown.
        end = run.last_looked_at(connection, begin, LOOKED_AT) if run.matching else None
        room = limit - len(rows)
        most = REASONS_READ if selection.has_reasons else room + 1
        read = run.read(connection, begin, end, most)
        matching_rows = list(islice(filter(selection.has, read), room + 1))
        if len(matching_rows) > room:
            last_rows = matching_rows[:room]
            return MessagePage(
                rows=[*rows, *last_rows], after=key_text(run.name, run.place_of(last_rows[-1]) if last_rows else begin)
            )
        rows += matching_rows
        if len(read) == most:
            return MessagePage(rows=rows, after=key_text(run.name, run.place_of(read[-1])))
        if end is not None:
            return MessagePage(rows=rows, after=key_text(run.name, end))
    return MessagePage(rows=rows, after=None)


def _runs(connection: Connection, selection: CountedMessages) -> Iterator[IndexRun]:
    until = selection.until or selection.since
    of_days = ReportSelection(since=selection.since, until=until)
    return (
        _of_campaign(connection, selection, of_days)
        if selection.campaign_id
        else _of_days(connection, selection, of_days)
    )


def _of_campaign(connection: Connection, selection: CountedMessages, days: ReportSelection) -> Iterator[IndexRun]:
    matching = (*_of_channel(selection), *_matching(selection))
    for begin, end in (day_bounds(connection, days), (selection.begins_at, selection.ends_at)):
        matching += tuple(_between(begin, end))
    of_campaign = _C.campaign_id == selection.campaign_id
    if selection.kind is CountedKind.OPT_OUTS:
        opted_out = (of_campaign, _C.opted_out_at.is_not(None))
        yield IndexRun(name="", within=opted_out, order=(_C.message_id,), matching=matching)
    for place, status in enumerate(_STATUSES[selection.kind]):
        of_status = (of_campaign, _is(_C.status, status))
        yield IndexRun(name=str(place), within=of_status, order=(_C.message_id,), matching=matching)


def _of_days(connection: Connection, selection: CountedMessages, days: ReportSelection) -> Iterator[IndexRun]:
    begin, end = day_bounds(connection, days)
    within = (_C.status_at >= begin, _C.status_at < end)
    order = (_C.status_at, _C.message_id)
    statuses = [status for status in _STATUSES[selection.kind] or FINAL if status]
    of_status: Condition = lambda columns: columns.status.in_(statuses)  # noqa: E731
    matching = (of_status, *_matching(selection))
    if selection.kind is CountedKind.OPT_OUTS:
        opted_out = (*within, _C.opted_out_at.is_not(None))
        yield IndexRun(name="", within=opted_out, order=order, matching=(*matching, *_of_channel(selection)))
    elif selection.kind in (CountedKind.FAILED, CountedKind.UNDELIVERABLE, CountedKind.MISSED):
        failed = (*within, HAS_FAILED)
        yield IndexRun(name="", within=failed, order=order, matching=(*matching, *_of_channel(selection)))
    else:
        for channel in _channels(connection, selection, days):
            ended = (_is(_C.channel, channel or None), *within, HAS_ENDED)
            yield IndexRun(name=channel, within=ended, order=order, matching=matching)


def _between(begin: datetime | None, end: datetime | None) -> Iterator[Condition]:
    if begin is not None:
        yield lambda columns: columns.status_at >= begin
    if end is not None:
        yield lambda columns: columns.status_at < end


def _channels(connection: Connection, selection: CountedMessages, days: ReportSelection) -> list[str]:
    """Return the channel that is asked for, else each on which messages ended in these days."""
    if selection.channel is not None:
        return [selection.channel]
    return sorted({row["channel"] for row in report_daily(connection, days).rows})


def _of_channel(selection: CountedMessages) -> tuple[Condition, ...]:
    return () if selection.channel is None else (lambda columns: _is(columns.channel, selection.channel or None),)


def _matching(selection: CountedMessages) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    if selection.sender is not None:
        conditions.append(lambda columns: sender_as_counted(columns.sender) == selection.sender)
    if (like := selection.like) is not None:
        conditions.append(lambda columns: func.coalesce(columns.failure_code, "") == like.code)
    return tuple(conditions)


def _is(column: Any, value: str | None) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = column.is_(None) if value is None else column == value
    return condition
