"""Keeps the latest count of failures, which replaces the one before, and reads it for who shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select

from models.tables import FAILURE_CODES, FAILURE_COUNTS
from sync.reports.failure_codes.judge import ADDRESSES_MIN, FailureCode, JudgedCode, setting_line

ROWS_MAX = 200
_ID = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedFailures:
    """The latest count: `codes` with enough addresses, proposals first; `line` sets them, '' if there is none."""

    counted_at: datetime
    since: datetime
    until: datetime
    codes: Sequence[JudgedCode]
    line: str

    @property
    def proposed(self) -> list[JudgedCode]:
        return [code for code in self.codes if code.is_proposed]


def store_count(
    engine: Engine, codes: Sequence[JudgedCode], *, counted_at: datetime, since: datetime, until: datetime, already: str
) -> None:
    """Replace the count before by this one, in a transaction of its own; `already` is the setting of this worker."""
    rows = [_row(code) for code in codes if code.counted.addresses >= ADDRESSES_MIN][:ROWS_MAX]
    with engine.begin() as connection:
        connection.execute(delete(FAILURE_CODES))
        connection.execute(delete(FAILURE_COUNTS))
        if rows:
            connection.execute(insert(FAILURE_CODES), rows)
        times = {"counted_at": counted_at, "since": since, "until": until}
        connection.execute(insert(FAILURE_COUNTS), times | {"id": _ID, "opt_out_failures": already})


def _row(code: JudgedCode) -> dict[str, object]:
    counted = code.counted
    return {
        "channel": counted.channel,
        "entry": counted.entry,
        "code": counted.code,
        "addresses": counted.addresses,
        "never_again": counted.never_again,
        "received_before": counted.received_before,
        "at_least": code.at_least,
        "others": code.others,
        "others_never_again": code.others_never_again,
        "is_proposed": code.is_proposed,
    }


def latest_count(connection: Connection, already: frozenset[str]) -> CountedFailures | None:
    """Return the latest count, None before the first one.

    `already` is the setting of the process that shows it: what it or the worker has set by now is no proposal.
    """
    count = connection.execute(select(FAILURE_COUNTS)).one_or_none()
    if count is None:
        return None
    entries = already | frozenset(filter(None, count.opt_out_failures.split(",")))
    columns = FAILURE_CODES.c
    query = select(FAILURE_CODES).order_by(columns.is_proposed.desc(), columns.addresses.desc(), columns.entry)
    codes = [
        JudgedCode(
            counted=FailureCode(
                channel=row.channel,
                entry=row.entry,
                code=row.code,
                addresses=row.addresses,
                never_again=row.never_again,
                received_before=row.received_before,
            ),
            at_least=row.at_least,
            others=row.others,
            others_never_again=row.others_never_again,
            is_proposed=row.is_proposed and row.entry not in entries and row.code not in entries,
        )
        for row in connection.execute(query.limit(ROWS_MAX))
    ]
    proposed = [code.counted.entry for code in codes if code.is_proposed]
    return CountedFailures(
        counted_at=count.counted_at,
        since=count.since,
        until=count.until,
        codes=codes,
        line=setting_line(entries, proposed) if proposed else "",
    )
