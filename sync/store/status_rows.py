"""The rows of messages and campaigns. They are recomputed from every body rather than patched.

A row that does not exist yet is inserted as the batch makes it. A row that exists is locked, its bodies are read back,
and the row they make is written if it differs. The transaction that holds a row's lock last has seen every body
committed before. So any number of workers on the same messages leave the rows that one would.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from msgspec.structs import asdict
from sqlalchemy import Connection, Table

from models.statements import insert_missing, locked_rows, overwrite
from models.tables import CAMPAIGNS, MESSAGES
from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.merge import CampaignRow, MessageRow, by_subject, campaign_row, is_late, message_row
from sync.events.statuses import FINAL
from sync.rollups.contribution import Change
from sync.store.ledger_read import read_events

RowOf = Callable[[Iterable[Event]], MessageRow | CampaignRow | None]


class MergedRows(NamedTuple):
    """Every body that is known of each subject, and what was written: rows inserted, and others, old and new.

    `stored` are the rows that were there before, by subject.
    """

    events: dict[str, list[Event]]
    inserted: list[dict[str, Any]]
    changes: list[Change]
    stored: Mapping[str, Mapping[str, Any]]

    @property
    def conflicts(self) -> int:
        """Return of how many messages two different final statuses are known now, and were not before."""
        return self._turned(itemgetter("conflict"))

    @property
    def finished(self) -> int:
        """Return how many messages have a final status now, and had none before."""
        return self._turned(lambda row: row["status"] in FINAL)

    def _turned(self, is_so: Callable[[Mapping[str, Any]], bool]) -> int:
        changed = sum(
            bool(change.new and is_so(change.new) and not (change.old and is_so(change.old))) for change in self.changes
        )
        return sum(map(is_so, self.inserted)) + changed


def merge_messages(connection: Connection, events: Iterable[Event], options: ParseOptions, now: datetime) -> MergedRows:
    """Bring the rows of the messages that these events are about up to date.

    The caller owes the roll-ups what was written (`sync.rollups.deltas`), in the same transaction.
    """
    return _merge_rows(connection, MESSAGES, message_row, events, options, now)


def merge_campaigns(connection: Connection, events: Iterable[Event], options: ParseOptions, now: datetime) -> None:
    """Bring the rows of the campaigns that these events are about up to date."""
    _merge_rows(connection, CAMPAIGNS, campaign_row, events, options, now)


def _merge_rows(
    connection: Connection,
    table: Table,
    row_of: RowOf,
    events: Iterable[Event],
    options: ParseOptions,
    now: datetime,
) -> MergedRows:
    (key,) = table.primary_key
    events_by_subject = by_subject(events)
    rows = {subject: asdict(row) for subject, bodies in events_by_subject.items() if (row := row_of(bodies))}
    inserted = insert_missing(connection, table, list(rows.values()), now)
    existing = sorted(rows.keys() - inserted)
    if not existing:
        return MergedRows(events=events_by_subject, inserted=list(rows.values()), changes=[], stored={})
    stored: dict[str, Mapping[str, Any]] = {row[key.name]: row for row in locked_rows(connection, table, existing)}
    parsed = [event for subject in stored for event in events_by_subject[subject]]
    events_by_subject |= by_subject(read_events(connection, list(stored), options, parsed))
    recomputed = {subject: asdict(row) for subject in stored if (row := row_of(events_by_subject[subject]))}
    changed = {subject: new for subject, new in recomputed.items() if new.items() - stored[subject].items()}
    overwrite(connection, table, list(changed.values()), now)
    return MergedRows(
        events=events_by_subject,
        inserted=[rows[subject] for subject in inserted],
        changes=[Change(old=stored[subject], new=new) for subject, new in changed.items()],
        stored=stored,
    )


def late_events(stored: Mapping[str, Mapping[str, Any]], events: Iterable[Event]) -> int:
    """Return how many of `events` state less of their message than its row did before: `stored`, by message."""
    return sum(
        (row := stored.get(event.subject_id)) is not None and is_late(event, row["status"], row["status_at"])
        for event in events
    )
