"""Erases a person from the ledger: what remains of each body takes its place, and every row follows from that."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, and_, delete, select, union_all, update

from models.statements import is_one_of, locked_rows
from models.tables import ASKED_MESSAGES, BODIES, CAMPAIGNS, FURTHER_BODIES, LEDGER, MESSAGES, NAMELESS_OPT_OUTS
from sync.events.addresses import person_of
from sync.events.event import Event, Origin, Outcome
from sync.events.forgotten import ForgottenPeople
from sync.events.merge import Key
from sync.events.opt_outs import opt_outs_of
from sync.events.remains import remains_of_unread, without_forgotten
from sync.person.erase_statements import RenamedBodies, rewrite_statements
from sync.person.erasure import Erasure, several
from sync.rollups.contribution import Change
from sync.rollups.deltas import keep_deltas
from sync.store.apply import merge_rows
from sync.store.ledger import merge_ledger, remove_bodies
from sync.store.ledger_read import event_of


class ErasedBody(NamedTuple):
    """One body of the ledger: what it stated, and what is kept of it. The same if it names nobody who was forgotten."""

    before: Event
    after: Event

    @property
    def is_changed(self) -> bool:
        return self.after is not self.before


def erase_bodies(erasure: Erasure) -> int:
    """Erase the person from every body of the ledger and from the rows that follow; return from how many bodies.

    Owns its transactions, each of some subjects. Stopped anywhere, another run erases the rest.
    """
    names = erasure.finder()
    query = select(BODIES.c.subject_id, BODIES.c.body)
    subjects = {row.subject_id for row in erasure.search(query) if names(bytes(row.body))}
    to_them = select(MESSAGES.c.message_id).where(MESSAGES.c.recipient.in_(erasure.spellings))
    subjects.update(row.message_id for row in erasure.search(to_them))
    erased = 0
    for piece in several(sorted(subjects)):
        erased += erasure.transact(partial(_erase, erasure, piece))
    return erased


def _erase(erasure: Erasure, subjects: Sequence[str], connection: Connection, people: ForgottenPeople) -> int:
    erased = _erase_facts(connection, subjects, people, erasure)
    # What follows from no body, for it was written by hand.
    is_theirs = MESSAGES.c.recipient.in_(erasure.spellings)
    left = update(MESSAGES).where(is_one_of(connection, MESSAGES.c.message_id, subjects), is_theirs)
    connection.execute(left.values(recipient=erasure.pseudonym))
    return erased


def _erase_facts(connection: Connection, subjects: Sequence[str], people: ForgottenPeople, erasure: Erasure) -> int:
    applied_at = _applied_at(connection, subjects)
    bodies = _bodies(connection, subjects, people, erasure)
    changed = [body for body in bodies if body.is_changed]
    if not changed:
        return 0
    _rewrite_history(connection, bodies, people, erasure)
    digests: dict[Key, set[str]] = {}
    for body in changed:
        digests.setdefault(body.before.key, set()).add(body.before.digest)
    remove_bodies(connection, digests, erasure.now)
    merge_ledger(connection, [body.after for body in changed], erasure.now)
    for body in changed:
        is_fact = and_(LEDGER.c.subject_id == body.after.subject_id, LEDGER.c.event == body.after.name)
        before = applied_at[body.before.key]
        connection.execute(update(LEDGER).where(is_fact, LEDGER.c.applied_at > before).values(applied_at=before))
    _remove_rows(connection, {body.before.subject_id for body in bodies} - {body.after.subject_id for body in bodies})
    merge_rows(connection, [body.after for body in bodies], erasure.options, erasure.now)
    return len(changed)


def _applied_at(connection: Connection, subjects: Sequence[str]) -> dict[Key, datetime]:
    query = select(LEDGER.c.subject_id, LEDGER.c.event, LEDGER.c.applied_at)
    of_subjects = query.where(is_one_of(connection, LEDGER.c.subject_id, subjects))
    return {(row.subject_id, row.event): row.applied_at for row in connection.execute(of_subjects)}


def _bodies(
    connection: Connection, subjects: Sequence[str], people: ForgottenPeople, erasure: Erasure
) -> list[ErasedBody]:
    """Return every body of `subjects` that states something, or names somebody who was forgotten."""
    parts = []
    for table in (LEDGER, FURTHER_BODIES):
        names = ("subject_id", "event", "digest", "occurred_at", "is_dated", "received_at")
        source = table.join(BODIES, BODIES.c.id == table.c.body_id)
        columns = (*(table.c[name] for name in names), BODIES.c.body, BODIES.c.origin)
        part = select(*columns).select_from(source).where(is_one_of(connection, table.c.subject_id, subjects))
        parts.append(part)
    bodies = []
    for row in connection.execute(union_all(*parts)):
        event = event_of(row, erasure.options)
        if event is not None and event.key == (row.subject_id, row.event):
            bodies.append(ErasedBody(event, without_forgotten(event, people)))
        elif people.named_in(row.body):
            unread = _unread(row)
            bodies.append(ErasedBody(unread, remains_of_unread(unread, people)))
    return bodies


def _unread(row: Any) -> Event:
    """Return what the ledger says of a body that this version cannot read."""
    return Event(
        subject_id=row.subject_id,
        name=row.event,
        occurred_at=row.occurred_at,
        is_dated=bool(row.is_dated),
        claimed_at=None,
        received_at=row.received_at,
        outcome=Outcome.IGNORED,
        body=row.body,
        digest=row.digest,
        origin=Origin(row.origin),
    )


def _rewrite_history(
    connection: Connection, bodies: Sequence[ErasedBody], people: ForgottenPeople, erasure: Erasure
) -> None:
    """Rewrite what these bodies state, before they are merged: else it would be stated anew, as of now."""
    by_subject: dict[str, list[Event]] = {}
    for body in bodies:
        by_subject.setdefault(body.before.subject_id, []).append(body.before)
    stated = [statement for events in by_subject.values() for statement in opt_outs_of(events)]
    if not stated:
        return
    changed = [body for body in bodies if body.is_changed]
    renamed = RenamedBodies(
        digests={body.before.digest: body.after.digest for body in changed},
        message_ids=_ids_renamed(changed),
        names={body.before.digest: body.after.name for body in changed},
    )
    persons = sorted({person_of(statement.address) for statement in stated} | {erasure.person})
    digests = sorted({statement.digest for statement in stated if statement.digest})
    rewrite_statements(connection, persons, digests, people, renamed)


def _ids_renamed(changed: Iterable[ErasedBody]) -> Mapping[str, str]:
    pairs = ((body.before.subject_id, body.after.subject_id) for body in changed if body.before.message)
    return {before: after for before, after in pairs if before != after}


def _remove_rows(connection: Connection, subjects: set[str]) -> None:
    """Remove the rows of subjects that have another name now: of ids that named the person."""
    gone = sorted(subjects)
    if not gone:
        return
    rows = list(locked_rows(connection, MESSAGES, gone))
    keep_deltas(connection, [], [Change(old=row, new=None) for row in rows])
    keys: list[tuple[Table, Any]] = [
        (MESSAGES, MESSAGES.c.message_id),
        (CAMPAIGNS, CAMPAIGNS.c.campaign_id),
        (NAMELESS_OPT_OUTS, NAMELESS_OPT_OUTS.c.subject_id),
        (ASKED_MESSAGES, ASKED_MESSAGES.c.message_id),
    ]
    for table, key in keys:
        connection.execute(delete(table).where(is_one_of(connection, key, gone)))
