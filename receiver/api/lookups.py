"""What the web process asks of opt-outs: look-ups and measurements, with connections of their own.

The one module of the receiver that knows the look-up, and so what is known of phone numbers, which takes memory. It
is loaded only if look-ups are on. It blocks; `endpoint` calls it in threads.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select, true
from sqlalchemy.exc import SQLAlchemyError

from models.database import open_database
from models.plain_tables import DEAD_LETTERS, INBOX
from receiver.api.metrics import COUNTED_MAX, Measured, OptOutLatency
from receiver.api.question import Question
from receiver.server.sockets import OpenSockets
from sync.queue.connection import OpenQueue, QueueUnavailable, connect, open_queue
from sync.queue.waiting import queue_length
from sync.settings.web import LookupSettings, ReceiverSettings
from sync.status import latency
from sync.suppression import Answer, Answers, Freshness, Look, Lookup

# Small hosted plans allow 20 connections in all, to either store.
# One for each thread that asks: two for look-ups, one for measurements.
LOOKUP_THREADS, MEASURING_THREADS = 2, 1
CONNECTIONS = LOOKUP_THREADS + MEASURING_THREADS
STATEMENT_SECONDS = 2.0
# Who only reads from SQLite hardly ever waits.
BUSY_SECONDS = 0.1
REDIS_SECONDS = 0.5
# Reading a day's history takes its time if it is long: at most a twentieth of all time.
LATENCY_REST_FACTOR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the database tells of itself; nothing if it does not answer."""

    unresolved_dead_letters: int | None = None
    inbox_rows: int | None = None
    latency: OptOutLatency | None = None


class BlindLookup(Lookup):
    """A look-up that asks no store, and so knows nothing but what is no address."""

    def look(self, wanted: set[str]) -> Look:  # noqa: ARG002
        return Look(opt_outs=None, freshness=Freshness(as_of=None, held_by="database"))


class Lookups:
    """Answers questions, and measures. One per process; safe for threads. Nothing is connected yet."""

    def __init__(self, engine: Engine, queue: OpenQueue, *, default_region: str) -> None:
        self._engine = engine
        self._queue = queue
        self._sockets = OpenSockets(engine)
        self._lookup = Lookup(engine, queue, default_region=default_region)
        self._blind = BlindLookup(engine, queue, default_region=default_region)
        self._latency: OptOutLatency | None = None
        self._latency_rests_until = 0.0

    def check(self, question: Question) -> bytes:
        """Return the answer as a document of JSON, in the order of the addresses. Raises nothing."""
        return _document(self._lookup, question)

    def check_blindly(self, question: Question) -> bytes:
        """Return the answer when no store could be asked in time."""
        return _document(self._blind, question)

    def give_up(self) -> None:
        """Free every thread that waits for a database which does not answer."""
        self._sockets.shut()

    def measure(self) -> Measured:
        """Return what can be measured now, within a few seconds."""
        fresh = self._lookup.freshness()
        counted = self._counted()
        return replace(
            measured_of(fresh),
            queue_length=self._queue_length(),
            unresolved_dead_letters=counted.unresolved_dead_letters,
            inbox_rows=counted.inbox_rows,
            latency=counted.latency,
        )

    def measure_blindly(self) -> Measured:
        """Return what is known when no store could be asked in time."""
        return measured_of(self._blind.freshness())

    def _queue_length(self) -> int | None:
        with suppress(QueueUnavailable, ValueError):
            return queue_length(self._queue)
        return None

    def _counted(self) -> Counted:
        counted = Counted()
        with suppress(SQLAlchemyError), self._engine.connect() as connection:
            counted = Counted(
                unresolved_dead_letters=_count(connection, DEAD_LETTERS, DEAD_LETTERS.c.resolved_at.is_(None)),
                inbox_rows=_count(connection, INBOX, true()),
            )
            counted = replace(counted, latency=self._read_latency(connection))
        return counted

    def _read_latency(self, connection: Connection) -> OptOutLatency | None:
        begun = monotonic()
        if begun >= self._latency_rests_until:
            try:
                read = latency(connection, datetime.now(UTC))
            finally:
                self._latency_rests_until = monotonic() + LATENCY_REST_FACTOR * (monotonic() - begun)
            self._latency = OptOutLatency(
                opt_outs=read.opt_outs,
                p50_seconds=read.p50_seconds,
                p99_seconds=read.p99_seconds,
                share_within_one_second=read.share_within_one_second,
            )
        return self._latency


def measured_of(fresh: Freshness) -> Measured:
    return Measured(
        staleness_seconds=(datetime.now(UTC) - fresh.as_of).total_seconds() if fresh.as_of else inf,
        held_by=fresh.held_by,
        queue_length=None,
        unresolved_dead_letters=None,
        inbox_rows=None,
        latency=None,
    )


def open_lookups(settings: ReceiverSettings, lookup: LookupSettings) -> Lookups:
    """Return look-ups in the stores of `settings`, read-only and apart from what deliveries use."""
    engine = open_database(
        settings.database_url,
        pool_size=CONNECTIONS,
        pool_seconds=STATEMENT_SECONDS,
        statement_seconds=STATEMENT_SECONDS,
        busy_seconds=BUSY_SECONDS,
        is_read_only=True,
        is_tested_first=False,  # a look-up asks again by itself
    )
    client = connect(settings.redis, connections=CONNECTIONS, seconds=REDIS_SECONDS)
    return Lookups(engine, open_queue(client), default_region=lookup.default_region)


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    rows = select(true()).select_from(table).where(condition).limit(COUNTED_MAX).subquery()
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()


def _document(lookup: Lookup, question: Question) -> bytes:
    answers = lookup.answers(question.addresses, question.channel, question.sender, question.staleness_seconds)
    results = ", ".join(_results(answers))
    return f'{{"as_of": {json.dumps(_time_text(answers.freshness.as_of))}, "results": [{results}]}}'.encode()


def _results(answers: Answers) -> Iterator[str]:
    """Yield each answer in JSON.

    Built by hand: nearly all differ only in the number, and `json.dumps` is too slow for tens of thousands a second.
    """
    rest = f'"status": "{answers.absent}", "match": null}}'
    for text in answers.inputs:
        if answer := answers.others.get(text):
            yield json.dumps(_result(answer))
        else:
            yield f'{{"input": "{text}", "address": "{text}", {rest}'


def _result(answer: Answer) -> dict[str, Any]:
    match = answer.match
    return {
        "input": answer.input,
        "address": answer.address,
        "status": answer.status,
        "match": match
        and {
            "channel": match.channel,
            "sender": match.sender,
            "since": _time_text(match.since),
            "source": match.source,
            "message_id": match.message_id,
        },
    }


def _time_text(at: datetime | None) -> str | None:
    if at is None:
        return None
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"
