"""Erases a person from dead letters, and from what waits in the inbox and among failed jobs.

What waits is applied at once, as a worker would: of a person who was forgotten nothing but the fact is kept.
"""

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, select, update

from models.tables import DEAD_LETTERS, INBOX
from sync.events.forgotten import ForgottenPeople
from sync.events.raw import RawEvent
from sync.events.remains import kept_digest
from sync.person.erasure import Erasure, several
from sync.queue.connection import OpenQueue
from sync.queue.failed import failed_job_ids, raw_events_of, remove_failed
from sync.queue.held import jobs_holding
from sync.store.apply import apply


def erase_dead_letters(erasure: Erasure) -> int:
    """Erase every dead letter that names the person; return how many. A letter is resolved with that.

    Owns its transactions.
    """
    names = erasure.finder()
    query = select(DEAD_LETTERS.c.digest, DEAD_LETTERS.c.body).order_by(DEAD_LETTERS.c.digest)
    digests = [row.digest for row in erasure.search(query) if names(bytes(row.body))]
    for piece in several(digests):
        erasure.transact(partial(_erase_letters, erasure, piece))
    return len(digests)


def _erase_letters(erasure: Erasure, digests: list[str], connection: Connection, people: ForgottenPeople) -> None:
    letters = select(DEAD_LETTERS).where(DEAD_LETTERS.c.digest.in_(digests)).order_by(DEAD_LETTERS.c.digest)
    for letter in connection.execute(letters.with_for_update()).all():
        _erase_letter(connection, letter, people, erasure.now)


def _erase_letter(connection: Connection, letter: Any, people: ForgottenPeople, now: datetime) -> None:
    named = people.named_in(letter.body)
    if not named:
        return
    digest = kept_digest(letter.digest, named[0])
    is_letter, is_copy = DEAD_LETTERS.c.digest == letter.digest, DEAD_LETTERS.c.digest == digest
    copy = connection.execute(select(DEAD_LETTERS.c.received_at).where(is_copy)).first()
    if copy is not None:  # it came again, after the person was recorded as forgotten
        connection.execute(delete(DEAD_LETTERS).where(is_letter))
        earliest = min(copy.received_at, letter.received_at)
        connection.execute(update(DEAD_LETTERS).where(is_copy).values(received_at=earliest))
        return
    columns = {"digest": digest, "body": b"", "resolved_at": letter.resolved_at or now}
    connection.execute(update(DEAD_LETTERS).where(is_letter).values(**columns))


def erase_inbox(erasure: Erasure) -> int:
    """Apply every event of the inbox that names the person; return how many. Raises as `apply` does."""
    names = erasure.finder()
    query = select(INBOX.c.id, INBOX.c.body, INBOX.c.received_at).order_by(INBOX.c.id)
    raw_events = [
        RawEvent(body=bytes(row.body), received_at=row.received_at, inbox_id=row.id)
        for row in erasure.search(query)
        if names(bytes(row.body))
    ]
    for piece in several(raw_events):
        apply(erasure.engine, piece, options=erasure.options, now=erasure.now)
    return len(raw_events)


def erase_failed_jobs(erasure: Erasure, queue: OpenQueue) -> int:
    """Apply every failed job that names the person, and remove it; return how many. Raises QueueUnavailable too."""
    names = erasure.finder()
    job_ids = jobs_holding(queue, failed_job_ids(queue), lambda raw: names(raw.body))
    for job_id in job_ids:
        apply(erasure.engine, raw_events_of(queue, job_id), options=erasure.options, now=erasure.now)
        remove_failed(queue, job_id)
    return len(job_ids)
