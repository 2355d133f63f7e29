"""Forgets one person: records it, erases what is held, and waits until what was queued before has been taken."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sync.person.erase_bodies import erase_bodies
from sync.person.erase_statements import erase_statements
from sync.person.erase_waiting import erase_dead_letters, erase_failed_jobs, erase_inbox
from sync.person.erasure import Erasure
from sync.queue.connection import OpenQueue
from sync.queue.held import jobs_holding, jobs_there, waiting_job_ids
from sync.rollups.compact import compact
from sync.tasks import erase_tasks

PAUSE_SECONDS = 0.2


@dataclass(slots=True, kw_only=True)
class ErasedCounts:
    """From how much of each place the person was erased."""

    bodies: int = 0
    statements: int = 0
    dead_letters: int = 0
    inbox: int = 0
    jobs: int = 0
    tasks: int = 0


class QueueNotTaken(Exception):  # noqa: N818 - a state, which a worker ends
    """Nothing takes the queue, which holds jobs that name the person; the text says how many."""


def erase_rows(erasure: Erasure, counts: ErasedCounts) -> None:
    """Erase the person from the database. Stopped anywhere, or run again, it erases what is left.

    Errors of the database are SQLAlchemy's DBAPIError and pass through.
    """
    counts.inbox += erase_inbox(erasure)
    counts.bodies += erase_bodies(erasure)
    counts.statements += erase_statements(erasure)
    counts.dead_letters += erase_dead_letters(erasure)
    with erasure.engine.begin() as connection:
        counts.tasks += erase_tasks(connection, erasure.finder(), erasure.now)
    while compact(erasure.engine):  # a roll-up by a name that nobody has any more comes to nothing
        pass


def erase_queue(
    erasure: Erasure, queue: OpenQueue, counts: ErasedCounts, *, seconds: float, on_wait: Callable[[int], None]
) -> bool:
    """Wait until what names the person in the queue has been taken; return whether there was anything.

    A failed job is applied here. Raises QueueNotTaken if nothing at all is taken for `seconds`, and QueueUnavailable.
    """
    names = erasure.finder()
    failed = erase_failed_jobs(erasure, queue)
    counts.jobs += failed
    waiting = waiting_job_ids(queue)
    naming = jobs_holding(queue, waiting, lambda raw: names(raw.body))
    counts.jobs += len(naming)
    taken_at, left, others = time.monotonic(), naming, set(waiting)
    while left := jobs_there(queue, left):
        on_wait(len(left))
        still = others.intersection(waiting_job_ids(queue))
        if len(still) < len(others):
            taken_at, others = time.monotonic(), still
        if time.monotonic() - taken_at > seconds:
            raise QueueNotTaken(f"{len(left):,}")
        time.sleep(PAUSE_SECONDS)
    return bool(failed or naming)
