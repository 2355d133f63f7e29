"""Searches bodies that no row links to a person: dead letters, what waits, and facts without a message. Reads only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, select, text

from models.tables import BODIES, DEAD_LETTERS, INBOX, LEDGER
from sync.queue.connection import OpenQueue, QueueUnavailable
from sync.queue.held import raw_events_in_jobs, waiting_job_ids

ROWS_PER_FETCH = 100
# In the words of the index ix_events_ignored: with a parameter SQLite would not use it.
_IS_IGNORED = text("outcome = 'ignored'")
# The subjects of facts that name no message; `;` follows `:`.
_BY_DIGEST, _AFTER_DIGESTS = "sha256:", "sha256;"

Names = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The bodies of one place that name a person: rows with `body` and `received_at`.

    `looked_at` is how many bodies were read; if not `is_complete` there are more, which nobody looked at.
    """

    rows: tuple[Mapping[str, Any], ...] = field(repr=False)
    looked_at: int
    is_complete: bool


def search_dead_letters(connection: Connection, names: Names, *, at_most: int | None) -> SearchResult:
    """Look into dead letters, resolved ones too, the newest first."""
    query = select(DEAD_LETTERS).order_by(DEAD_LETTERS.c.received_at.desc(), DEAD_LETTERS.c.digest)
    return _search_rows(connection, query, names, at_most)


def search_inbox(connection: Connection, names: Names, *, at_most: int | None) -> SearchResult:
    """Look into the inbox, the oldest first."""
    query = select(INBOX.c.received_at, INBOX.c.due_at, INBOX.c.body).order_by(INBOX.c.received_at)
    return _search_rows(connection, query, names, at_most)


def search_facts(connection: Connection, names: Names, *, at_most: int | None) -> SearchResult:
    """Look into facts that make no row of a message: of a type that this version does not know, or without an id."""
    columns = [LEDGER.c[name] for name in ("subject_id", "event", "digest", "occurred_at", "received_at", "outcome")]
    facts = select(*columns, BODIES.c.body).join(BODIES, BODIES.c.id == LEDGER.c.body_id)
    subject = LEDGER.c.subject_id
    by_digest = facts.where(subject >= _BY_DIGEST, subject < _AFTER_DIGESTS, LEDGER.c.outcome != "ignored")
    ignored = facts.where(_IS_IGNORED).order_by(LEDGER.c.event, subject)
    results = [
        _search_rows(connection, query, names, at_most)
        for query in (ignored, by_digest.order_by(subject, LEDGER.c.event))
    ]
    return SearchResult(
        rows=tuple(row for result in results for row in result.rows),
        looked_at=sum(result.looked_at for result in results),
        is_complete=all(result.is_complete for result in results),
    )


def search_queue(queue: OpenQueue, names: Names, *, at_most: int | None) -> SearchResult | None:
    """Look into what waits in Redis, failed jobs included; None if Redis does not answer."""
    try:
        raw_events = raw_events_in_jobs(queue, waiting_job_ids(queue))
        rows = ({"received_at": raw.received_at, "body": raw.body} for raw in raw_events)
        return _search(rows, names, at_most)
    except (QueueUnavailable, ValueError):  # ValueError: a name that no name server would be asked for
        return None


def _search_rows(connection: Connection, query: Select[Any], names: Names, at_most: int | None) -> SearchResult:
    if at_most is not None:
        query = query.limit(at_most + 1)
    result = connection.execution_options(stream_results=True, max_row_buffer=ROWS_PER_FETCH).execute(query)
    try:
        return _search((dict(row) for row in result.mappings()), names, at_most)
    finally:
        result.close()


def _search(rows: Iterable[Mapping[str, Any]], names: Names, at_most: int | None) -> SearchResult:
    """Look at `at_most` rows, or at all."""
    waiting = iter(rows)
    matching, looked_at = [], 0
    for row in islice(waiting, at_most):
        looked_at += 1
        if names(bytes(row["body"])):
            matching.append({**row, "body": bytes(row["body"])})
    return SearchResult(rows=tuple(matching), looked_at=looked_at, is_complete=next(waiting, None) is None)
