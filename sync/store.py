"""The statements by which facts become rows. Every function works inside the caller's transaction.

Status rows are recomputed from the ledger rather than patched: a row that does not exist yet is inserted as
the batch's facts make it; a row that exists is locked, its facts are read back, and the row they make is
written if it differs. Whoever holds a row's lock last has seen every fact committed before, so any number of
workers on the same messages leave the rows that one would.

Locks are taken table by table, each in the order of its keys: workers wait for each other, never in a circle.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Table, and_, delete, not_, select, update

import models
from models import CampaignStatus, Inbox, LedgerEntry, MessageStatus, OptOut
from sync.events import Event, MessageDetails, Reason, Unreadable, parse
from sync.merge import CampaignRow, Key, MessageRow, by_subject, campaign_row, message_row, settle
from sync.raw_events import RawEvent, may_opt_out
from sync.reading import Reading
from sync.reports.contribution import Change
from sync.statements import bulk_insert, columns_of, insert_missing, is_one_of, locked_rows, overwrite, slices

Facts = list[Event]
Hints = list[MessageDetails]  # what was told of a message by bodies that gave way to others
Known = tuple[Facts, Hints]


class Merged(NamedTuple):
    """What is known of each subject, and what was written: rows that were inserted, and others, old and new."""

    known: list[Known]
    inserted: list[dict[str, Any]]
    changes: list[Change]


class DeadLetter(NamedTuple):
    """A raw event that cannot be applied; `error` quotes nothing of it."""

    raw: RawEvent
    reason: Reason
    error: str

    @property
    def body(self) -> bytes:
        return self.raw.body

    @property
    def received_at(self) -> datetime:
        return self.raw.received_at


def _table(model: Any) -> Table:
    return cast(Table, model.__table__)


LEDGER = _table(LedgerEntry)
MESSAGES = _table(MessageStatus)
CAMPAIGNS = _table(CampaignStatus)
OPT_OUTS = _table(OptOut)
DEAD_LETTERS = _table(models.DeadLetter)
INBOX = _table(Inbox)


def merge_ledger(
    connection: Connection, facts: Mapping[Key, Event], reading: Reading, now: datetime
) -> tuple[Facts, dict[Key, str]]:
    """Put folded facts into the ledger; return those it took, and the digest it keeps under every key."""
    kept = {key: fact.digest for key, fact in facts.items()}
    if not facts:
        return [], kept
    insert, rows = bulk_insert(connection, LEDGER, [_entry(fact) for fact in facts.values()], applied_at=now)
    insert = insert.on_conflict_do_nothing().returning(LEDGER.c.subject_id, LEDGER.c.event)
    inserted = {(row[0], row[1]) for row in connection.execute(insert, rows).all()}
    taken = [facts[key] for key in facts if key in inserted]
    contested = {key: fact for key, fact in facts.items() if key not in inserted}
    for stored in _entries(connection, contested, locked=False):
        fact = contested[stored.subject_id, stored.event]
        if stored.body == fact.body and stored.received_at <= fact.received_at:
            del contested[fact.key]  # by far the most common: a copy
    for stored in _entries(connection, contested, locked=True):
        fact, held = contested[stored.subject_id, stored.event], fact_of(stored.body, stored.received_at, reading)
        winner = settle(held, fact) if held else fact
        kept[fact.key] = winner.digest
        if winner is fact:
            is_entry = and_(LEDGER.c.subject_id == fact.subject_id, LEDGER.c.event == fact.name)
            connection.execute(update(LEDGER).where(is_entry).values(_entry(fact) | {"applied_at": now}))
            taken.append(fact)
    return taken, kept


def merge_messages(connection: Connection, taken: Facts, gave_way: Facts, reading: Reading, now: datetime) -> Merged:
    """Bring the rows of the messages that these facts are about up to date; return what is known of each.

    Whoever calls this owes the roll-ups what was written (`sync.reports.deltas`), in the same transaction.
    `gave_way` are facts whose place in the ledger another body has: they only fill what no fact names.
    """
    return _merge_rows(connection, MESSAGES, message_row, taken, gave_way, reading, now)


def merge_campaigns(connection: Connection, taken: Facts, reading: Reading, now: datetime) -> list[Known]:
    """Bring the rows of the campaigns that these facts are about up to date; return what is known of each."""
    return _merge_rows(connection, CAMPAIGNS, _campaign_row, taken, [], reading, now).known


def _campaign_row(facts: Facts, _hints: Hints) -> CampaignRow | None:
    return campaign_row(facts)


def _merge_rows(
    connection: Connection,
    table: Table,
    row_of: Callable[[Facts, Hints], MessageRow | CampaignRow | None],
    taken: Facts,
    gave_way: Facts,
    reading: Reading,
    now: datetime,
) -> Merged:
    (key,) = table.primary_key
    hints = {subject: [of.message for of in facts if of.message] for subject, facts in by_subject(gave_way).items()}
    known = {subject: (facts, hints.get(subject, [])) for subject, facts in by_subject(taken).items()}
    rows = {subject: columns_of(row) for subject, of in known.items() if (row := row_of(*of))}
    inserted = insert_missing(connection, table, list(rows.values()), now)
    existing = sorted({*rows, *hints} - inserted)
    stored = {row[key.name]: row for row in locked_rows(connection, table, existing)}
    facts = by_subject(read_facts(connection, list(stored), reading))
    for subject, held in stored.items():
        known[subject] = facts.get(subject, []), [*hints.get(subject, []), *hints_of(held)]
    recomputed = {subject: columns_of(row) for subject in stored if (row := row_of(*known[subject]))}
    changed = {subject: new for subject, new in recomputed.items() if new.items() - stored[subject].items()}
    overwrite(connection, table, list(changed.values()), now)
    return Merged(
        known=[known[subject] for subject in {**rows, **recomputed}],
        inserted=[rows[subject] for subject in inserted],
        changes=[Change(old=stored[subject], new=new) for subject, new in changed.items()],
    )


def hints_of(stored: Mapping[str, Any]) -> Hints:
    """What a row still tells of its message, though the body that told it gave way."""
    if "recipient" not in stored:
        return []
    return [MessageDetails(channel=stored["channel"], recipient=stored["recipient"])]


def read_facts(connection: Connection, subjects: Sequence[str], reading: Reading) -> Facts:
    """Return every fact the ledger has of `subjects`, parsed from the bodies it keeps."""
    found: Facts = []
    for some in slices(subjects):
        query = select(LEDGER.c.body, LEDGER.c.received_at).where(is_one_of(connection, LEDGER.c.subject_id, some))
        facts = (fact_of(body, received_at, reading) for body, received_at in connection.execute(query))
        found += [fact for fact in facts if fact]
    return found


def keep_dead_letters(connection: Connection, letters: Iterable[DeadLetter], reading: Reading) -> None:
    """Keep raw events that cannot be applied; a copy at most shows that one was received earlier."""
    failures_may = bool(reading.opt_out_failures)
    latest_first = sorted(letters, key=lambda letter: letter.received_at, reverse=True)
    letters_by_digest = {hashlib.sha256(letter.body).hexdigest(): letter for letter in latest_first}
    if not letters_by_digest:
        return
    insert, rows = bulk_insert(
        connection,
        DEAD_LETTERS,
        [
            {
                "digest": digest,
                "body": letter.body,
                "reason": letter.reason,
                "error": letter.error,
                "received_at": letter.received_at,
                "attempts": 1,
                "may_opt_out": may_opt_out(letter.body, failures_may=failures_may),
            }
            for digest, letter in sorted(letters_by_digest.items())
        ],
    )
    is_earlier = insert.excluded.received_at < DEAD_LETTERS.c.received_at
    earlier = insert.on_conflict_do_update(
        index_elements=[DEAD_LETTERS.c.digest], set_={"received_at": insert.excluded.received_at}, where=is_earlier
    )
    connection.execute(earlier, rows)


def take_inbox(connection: Connection, limit: int, now: datetime) -> list[RawEvent]:
    """Return at most `limit` events of the inbox that are due, locked, without those that another worker has.

    What may opt out comes first, however much waits before it.
    """
    query = select(INBOX.c.id, INBOX.c.body, INBOX.c.received_at).where(INBOX.c.due_at <= now)
    query = query.with_for_update(skip_locked=True)
    first = query.where(INBOX.c.may_opt_out).order_by(INBOX.c.received_at).limit(limit)
    rows = list(connection.execute(first).all())
    if len(rows) < limit:
        rest = query.where(not_(INBOX.c.may_opt_out)).order_by(INBOX.c.due_at, INBOX.c.id).limit(limit - len(rows))
        rows += connection.execute(rest).all()
    return [RawEvent(body=row.body, received_at=row.received_at, inbox_id=row.id) for row in rows]


def remove_from_inbox(connection: Connection, ids: Sequence[int]) -> None:
    """Remove these rows of the inbox, those of them that are still there."""
    for some in slices(ids):
        connection.execute(delete(INBOX).where(INBOX.c.id.in_(some)))


def _entries(connection: Connection, keys: Mapping[Key, Any], *, locked: bool) -> list[Any]:
    """Return the ledger's entries under `keys`, locked in their order if asked for."""
    found: list[Any] = []
    for some in slices(sorted({subject for subject, _ in keys})):
        query = select(LEDGER).where(LEDGER.c.subject_id.in_(some)).order_by(LEDGER.c.subject_id, LEDGER.c.event)
        found += connection.execute(query.with_for_update() if locked else query).all()
    return [entry for entry in found if (entry.subject_id, entry.event) in keys]


def _entry(fact: Event) -> dict[str, Any]:
    return {
        "subject_id": fact.subject_id,
        "event": fact.name,
        "occurred_at": fact.occurred_at,
        "received_at": fact.received_at,
        "outcome": fact.outcome,
        "body": fact.body,
    }


def fact_of(body: bytes, received_at: datetime, reading: Reading) -> Event | None:
    """Return the fact that the ledger keeps; None where an earlier version read a body that this one refuses."""
    try:
        return parse(RawEvent(body=body, received_at=received_at), reading)
    except Unreadable:
        return None
