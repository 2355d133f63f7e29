"""What the web process asks of opt-outs: look-ups and measurements, with connections of their own.

The one module of the receiver that knows the look-up, and so what is known of phone numbers, which takes memory. It
is loaded only if look-ups are on. It blocks; `endpoint` calls it in threads.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine

from models.database import open_database
from receiver.api.question import Question
from receiver.server.sockets import OpenSockets
from sync.events.forget_keys import ForgetKey
from sync.queue.connection import OpenQueue, connect, open_queue
from sync.settings.web import LookupSettings, ReceiverSettings
from sync.status import Latency, Numbers, latency_now, measure
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


class BlindLookup(Lookup):
    """A look-up that asks no store, and so knows nothing but what is no address."""

    def look(self, persons: set[str]) -> Look:  # noqa: ARG002
        return Look(opt_outs=None, freshness=Freshness(as_of=None, held_by="database"))


class Lookups:
    """Answers questions, and measures. One per process; safe for threads. Nothing is connected yet."""

    def __init__(
        self,
        engine: Engine,
        queue: OpenQueue,
        *,
        default_region: str,
        secrets: Sequence[bytes] | None = None,
        forget_keys: Sequence[ForgetKey] = (),
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._default_region = default_region
        self._secrets = secrets
        self._sockets = OpenSockets(engine)
        self._lookup = Lookup(engine, queue, default_region=default_region, forget_keys=forget_keys)
        self._blind = BlindLookup(engine, queue, default_region=default_region)
        self._latency: Latency | None = None
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

    def close(self) -> None:
        self._engine.dispose()

    def measure(self) -> Numbers:
        """Return what can be measured now, within a few seconds."""
        return measure(
            self._engine,
            self._queue,
            default_region=self._default_region,
            secrets=self._secrets,
            read_latency=self._read_latency,
            has_opt_outs=False,
            has_outages=False,
        )

    def measure_blindly(self) -> Numbers:
        """Return what is known when no store could be asked in time."""
        return Numbers(looked_at=datetime.now(UTC), freshness=self._blind.freshness(), redis=None, database=None)

    def _read_latency(self, connection: Connection) -> Latency | None:
        begun = monotonic()
        if begun >= self._latency_rests_until:
            try:
                self._latency = latency_now(connection)
            finally:
                self._latency_rests_until = monotonic() + LATENCY_REST_FACTOR * (monotonic() - begun)
        return self._latency


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
    return Lookups(
        engine,
        open_queue(client),
        default_region=lookup.default_region,
        secrets=settings.secrets,
        forget_keys=settings.forget_keys,
    )


def _document(lookup: Lookup, question: Question) -> bytes:
    answers = lookup.answers(question.addresses, question.channel, question.sender, question.staleness_seconds)
    results = ", ".join(result_texts(answers))
    return f'{{"as_of": {json.dumps(utc_text(answers.freshness.as_of))}, "results": [{results}]}}'.encode()


def result_texts(answers: Answers) -> Iterator[str]:
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
            "since": utc_text(match.since),
            "source": match.source,
            "message_id": match.message_id,
        },
    }


def utc_text(at: datetime | None) -> str | None:
    if at is None:
        return None
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"
