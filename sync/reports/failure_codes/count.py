"""Counts what became of addresses after each failure: in slices by key, each in a short transaction of its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, case, func, or_, select

from models.indexed import HAS_FAILED
from models.statements import is_one_of
from models.tables import MESSAGES
from sync.events.forget_keys import PSEUDONYM
from sync.events.interpretation import failure_key
from sync.events.statuses import FINAL, Status
from sync.reports.failure_codes.judge import FailureCode
from sync.terminal.masking import masked_text

# A person with a failure was tried again if a message ended so much later: a telephone may be off for an evening.
AGAIN_AFTER = timedelta(days=1)
FAILURES_PER_SLICE = 500
# More addresses make a share hardly surer, and more entries are texts with a number of the message in them.
ADDRESSES_MAX = 2_000
ENTRIES_MAX = 500
# Those that were not tried again are held too, so this bounds the memory: some 30 MB at the worst.
SEEN_PER_ENTRY_MAX, SEEN_MAX = 20_000, 200_000
CHARACTERS_MAX = 200
# Says nothing, as far as codes go.
_NO_CODE = ("", "0")

Key = tuple[str, str]  # channel, recipient


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A message that failed: whose, when, and what ZEXA_OPT_OUT_FAILURES would name it by."""

    channel: str
    recipient: str
    failed_at: datetime
    code: str | None
    reason: str | None

    @property
    def key(self) -> Key:
        return self.channel, self.recipient

    @property
    def entries(self) -> Iterator[tuple[str, str | None]]:
        """Each entry that would match, with the code beside it if it is a reason."""
        if self.code is not None:
            yield self.code, None
        if self.reason is not None and self.reason != self.code:
            yield self.reason, self.code


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one address on one channel: when messages were first and last delivered, and when the last one ended."""

    first_delivered_at: datetime | None
    last_delivered_at: datetime | None
    last_ended_at: datetime


@dataclass(slots=True)
class _Entry:
    codes: set[str | None] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    addresses: int = 0
    never_again: int = 0
    received_before: int = 0


class FailureCounter:
    """Counts failures that `add` is given in the order of time; each address once for an entry. Pure."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._seen = 0

    def wanted(self, failures: Iterable[FailedMessage]) -> list[FailedMessage]:
        """Return those of `failures` that say anything new: the first ones of an address under some entry."""
        return [failure for failure in failures if any(True for _ in self._new_entries(failure))]

    def add(self, failure: FailedMessage, fate: Fate | None) -> None:
        for entry, code in list(self._new_entries(failure)):
            counts = self._entries.setdefault((failure.channel, entry), _Entry())
            counts.codes.add(code)
            counts.seen.add(failure.recipient)
            self._seen += 1
            if fate is None or fate.last_ended_at < failure.failed_at + AGAIN_AFTER:
                continue
            counts.addresses += 1
            if fate.last_delivered_at is not None and fate.last_delivered_at > failure.failed_at:
                continue
            counts.never_again += 1
            counts.received_before += fate.first_delivered_at is not None

    def _new_entries(self, failure: FailedMessage) -> Iterator[tuple[str, str | None]]:
        for entry, code in failure.entries if self._seen < SEEN_MAX else ():
            counts = self._entries.get((failure.channel, entry))
            if counts is None:
                is_new = len(self._entries) < ENTRIES_MAX
            else:
                is_full = counts.addresses >= ADDRESSES_MAX or len(counts.seen) >= SEEN_PER_ENTRY_MAX
                is_new = not is_full and failure.recipient not in counts.seen
            if is_new:
                yield entry, code

    def counts(self) -> list[FailureCode]:
        return [
            FailureCode(
                channel=channel,
                entry=entry,
                code=next(iter(counts.codes)) if len(counts.codes) == 1 else None,
                addresses=counts.addresses,
                never_again=counts.never_again,
                received_before=counts.received_before,
            )
            for (channel, entry), counts in self._entries.items()
        ]


def failed_from(row: Any) -> FailedMessage:
    """Return what a row of `message_status` says. What quotes an address, or cannot stand in a list, names nothing."""
    code, reason = (_entry(row.failure_code), _entry(row.failure_reason))
    return FailedMessage(
        channel=row.channel or "",
        recipient=row.recipient,
        failed_at=row.status_at,
        code=None if code in _NO_CODE else code,
        reason=None if reason in _NO_CODE else reason,
    )


def _entry(text: str | None) -> str | None:
    if text is None or len(text) > CHARACTERS_MAX or "," in text or masked_text(text) != text:
        return None
    return failure_key(text)


def count_failures(
    engine: Engine, since: datetime, until: datetime, *, may_go_on: Callable[[], bool]
) -> tuple[FailureCounter, datetime]:
    """Count failures from `since` to `until`, the oldest first; return the counts and until when they reach.

    Between slices `may_go_on` is asked, which may take its time; the counts end early if it says no. Errors of the
    database pass through.
    """
    counter, last_at, last_id = FailureCounter(), since, ""
    while may_go_on():
        with engine.begin() as connection:
            rows = failures_slice(connection, last_at, last_id, until)
            failures = counter.wanted(failed_from(row) for row in rows if _is_somebody(row.recipient))
            fates = _fates(connection, sorted({failure.recipient for failure in failures}))
        for failure in failures:
            counter.add(failure, fates.get(failure.key))
        if len(rows) < FAILURES_PER_SLICE:
            return counter, until
        last_at, last_id = rows[-1].status_at, rows[-1].message_id
    return counter, last_at


def _is_somebody(recipient: str | None) -> bool:
    return bool(recipient) and not str(recipient).startswith(PSEUDONYM)


def failures_slice(connection: Connection, after: datetime, after_id: str, until: datetime) -> Sequence[Row[Any]]:
    columns = MESSAGES.c
    is_later = or_(columns.status_at > after, columns.message_id > after_id)
    names = ("message_id", "channel", "recipient", "status_at", "failure_code", "failure_reason")
    query = select(*(columns[name] for name in names)).where(
        HAS_FAILED, columns.status_at >= after, columns.status_at < until, is_later
    )
    return connection.execute(query.order_by(columns.status_at, columns.message_id).limit(FAILURES_PER_SLICE)).all()


def _fates(connection: Connection, recipients: Sequence[str]) -> dict[Key, Fate]:
    if not recipients:
        return {}
    columns = MESSAGES.c
    delivered_at = case((columns.status == Status.DELIVERED, columns.status_at))
    channel = func.coalesce(columns.channel, "")
    query = (
        select(channel, columns.recipient, func.min(delivered_at), func.max(delivered_at), func.max(columns.status_at))
        .where(and_(is_one_of(connection, columns.recipient, recipients), columns.status.in_(sorted(FINAL))))
        .where(columns.status_at.is_not(None))
        .group_by(channel, columns.recipient)
    )
    return {(row[0], row[1]): Fate(*row[2:]) for row in connection.execute(query)}
