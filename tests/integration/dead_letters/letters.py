"""What the tests of dead letters share."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from click.testing import Result
from rq import Queue
from sqlalchemy import Engine, create_engine, insert, select, text

from models import Body, DeadLetter, FurtherBody, LedgerEntry
from sync.events.raw import RawEvent
from sync.queue.jobs import enqueue
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.conftest import NOW
from tests.support.events_builder import ANA, AO, RECEIVED, TEN, Row, body, minute, rows

Command = Callable[..., Result]
UNREADABLE = b'{"to": "+244912345678'
STOP = body("message.optout", TEN, message_id="msg_1", channel="sms", to=ANA)
DELIVERED = body("message.delivered", TEN, message_id="msg_1", channel="sms", to=ANA)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keep(engine: Engine, content: bytes, *, received: float = 0, **columns: Any) -> str:
    """Store `content` as a dead letter of an earlier version, received `received` minutes after ten."""
    row = {
        "digest": digest(content),
        "body": content,
        "reason": "no_subject",
        "error": "as an earlier version saw it",
        "received_at": minute(received),
        "attempts": 1,
    }
    with engine.begin() as connection:
        connection.execute(insert(DeadLetter).values(row | columns))
    return digest(content)


def letters(engine: Engine) -> dict[bytes, Row]:
    return {row["body"]: row for row in rows(engine, "dead_letters")}


def active(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT address FROM active_opt_outs ORDER BY address")).scalars())


def fail(queue: Queue, raw_events: Sequence[RawEvent], why: str, *, at_front: bool = False) -> str:
    """Put raw events into the failed jobs, as RQ's maintenance does with a job that killed its workers."""
    enqueue(queue, raw_events, at_front=at_front)
    job = queue.get_jobs()[0 if at_front else -1]
    queue.connection.lrem(queue.key, 1, job.id)
    job.retries_left = 0
    nobody = Applier(create_engine("sqlite://"), options=AO, batch_size=1)  # never connects
    EventWorker(queue.connection, nobody, Stop()).handle_job_failure(job, queue, exc_string=why)
    return str(job.id)


def raw(content: bytes) -> RawEvent:
    return RawEvent(body=content, received_at=RECEIVED)


TRACEBACK = f"""Traceback (most recent call last):
  File "apply.py", line 1, in apply_job
    raise ValueError
psycopg.errors.CheckViolation: row {ANA}
DETAIL: {ANA}
Traceback (most recent call last):
_{ANA.removeprefix("+")}: {ANA}
"""


# replay --ignored


def ignore(engine: Engine, content: bytes, subject: str, name: str) -> None:
    """Put `content` into the ledger as a version does that does not know its type, beside what is there of the fact."""
    key = {"subject_id": subject, "event": name}
    fact = {"digest": digest(content), "occurred_at": RECEIVED, "received_at": RECEIVED, "is_dated": False}
    with engine.begin() as connection:
        stored = connection.execute(
            insert(Body).values(key | {"received_at": RECEIVED, "body": content}).returning(Body.id)
        )
        row = key | fact | {"body_id": stored.scalar_one()}
        if connection.execute(select(LedgerEntry.event).filter_by(**key)).first():
            connection.execute(insert(FurtherBody).values(row))
        else:
            connection.execute(insert(LedgerEntry).values(row | {"outcome": "ignored", "applied_at": NOW}))
