"""What fails alone is a dead letter; what fails because of us or of the database is held, and nothing is buried."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from sqlalchemy import Connection, Engine, insert, text
from structlog.testing import capture_logs

from models.errors import Fault, fault_of
from models.tables import INBOX
from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay import ReplayVerdict, replay
from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.store import apply as module
from sync.store.apply import apply, drain
from sync.store.singly import ItemsHeld
from sync.store.tally import Tally
from sync.worker.applier import TRIES, Applier, NotApplied
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.support.events_builder import ANA, AO, REFUSED, body, minute, raw
from tests.support.processes import wait_for

on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def delivered(name: str) -> RawEvent:
    return raw(body("message.delivered", minute(1), id=name, to=ANA, channel="sms"), datetime.now(UTC))


def stop_of(name: str) -> RawEvent:
    return raw(body("message.optout", minute(1), id=name, to=ANA, channel="sms"), datetime.now(UTC))


@pytest.fixture
def applier(engine: Engine) -> Applier:
    return Applier(engine, options=AO, batch_size=100)


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return open_queue(redis)


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def letters(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        return [(row.reason, row.error) for row in connection.execute(text("SELECT reason, error FROM dead_letters"))]


def raise_in_a_trigger(engine: Engine, condition: str, state: str = "P0001") -> None:
    """Let a trigger of the customer's raise for some rows of `message_status`, on PostgreSQL."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION own_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {condition} THEN RAISE EXCEPTION 'own rule' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$"
        )
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS own_trigger ON message_status")
        connection.exec_driver_sql(
            "CREATE TRIGGER own_trigger BEFORE INSERT ON message_status FOR EACH ROW EXECUTE FUNCTION own_trigger()"
        )


def drop_trigger(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER own_trigger ON message_status"))


Break = Callable[[Callable[[Any], bool]], None]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Break]:
    """Let merging raise, as a mistake in the code would, for the events that a condition names."""
    merge_ledger = module.merge_ledger

    def break_for(is_broken: Callable[[Any], bool]) -> None:
        def raising(connection: Connection, events: Any, now: datetime) -> Any:
            if any(is_broken(event) for event in events):
                raise KeyError(ANA)
            return merge_ledger(connection, events, now)

        monkeypatch.setattr(module, "merge_ledger", raising)

    return break_for


# One event is at fault


@on_postgres
@pytest.mark.parametrize("state", ["P0001", "XX000", "P0004", "0A000", "22000", "42501"])
def test_a_trigger_that_raises_for_one_row_stops_no_other_event(
    applier: Applier, engine: Engine, redis: Redis, queue: Queue, state: str
) -> None:
    raise_in_a_trigger(engine, f"NEW.message_id = '{REFUSED}'", state)
    names = ["msg_1", REFUSED, "msg_2"]
    enqueue(queue, [delivered(name) for name in names], at_front=False)
    EventWorker(redis, applier, Stop()).work(burst=True)
    assert count(engine, "message_status") == 2
    ((reason, _),) = letters(engine)
    assert reason == "refused"
    assert queue.is_empty()


@on_postgres
def test_an_error_that_may_pass_is_given_some_tries_before_any_event_is_looked_at_alone(
    applier: Applier, engine: Engine
) -> None:
    raise_in_a_trigger(engine, f"NEW.message_id = '{REFUSED}'")
    events = applier.read([delivered("msg_1"), delivered(REFUSED)])
    for _ in range(TRIES - 1):
        with pytest.raises(NotApplied, match="RaiseException"):
            applier.apply(events)
        assert (count(engine, "message_status"), letters(engine)) == (0, [])
    drop_trigger(engine)
    applier.apply(events)
    assert (count(engine, "message_status"), letters(engine)) == (2, [])


@on_postgres
def test_a_trigger_that_refuses_most_rows_and_our_own_event_too_stops_no_event_that_it_takes(engine: Engine) -> None:
    """It may ask for something that only the customer's own messages have."""
    raise_in_a_trigger(engine, "NEW.message_id <> 'msg_2'")
    assert apply(engine, [delivered("msg_1"), delivered("msg_2")], options=AO, now=minute(9)) == Tally(
        received=2, applied=1, dead=1
    )


def test_a_mistake_of_ours_about_one_event_stops_no_other(engine: Engine, broken: Break) -> None:
    broken(lambda event: event.subject_id == REFUSED)
    events = [delivered("msg_1"), delivered(REFUSED), stop_of("msg_2")]
    assert apply(engine, events, options=AO, now=minute(9)) == Tally(received=3, applied=2, dead=1)
    assert letters(engine) == [("refused", "KeyError")]


def test_a_poison_alone_in_its_batch_is_refused(engine: Engine, broken: Break) -> None:
    broken(lambda event: event.subject_id == REFUSED)
    assert apply(engine, [delivered(REFUSED)], options=AO, now=minute(9)) == Tally(received=1, dead=1)


# Every event would fail


def fail_always(_: Any) -> bool:
    return True


def test_a_mistake_that_fails_known_good_events_too_buries_nothing_and_is_said_once_and_when_it_ends(
    applier: Applier, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = applier.read([delivered("msg_1"), stop_of("msg_2")])
    with monkeypatch.context() as while_broken, capture_logs() as logs:
        while_broken.setattr(module, "merge_ledger", _raise_key_error)
        for _ in range(4):
            with pytest.raises(NotApplied):
                applier.apply(events)
        assert (count(engine, "events"), letters(engine)) == (0, [])
    with capture_logs() as afterwards:
        applier.apply(events)
    assert count(engine, "events") == 2
    assert [(line["event"], line["source"]) for line in logs] == [("batch.held", "queue")]
    assert logs[0]["error"].startswith("KeyError at store/test_held.py:")
    assert ANA not in repr(logs)
    assert [line["event"] for line in afterwards] == ["batch.applied", "batch.released"]


def _raise_key_error(*_: Any) -> Any:
    raise KeyError(ANA)


@pytest.mark.parametrize("error", [MemoryError, ImportError, RecursionError, ZeroDivisionError, UnicodeError])
def test_a_parser_that_fails_for_everything_buries_nothing(
    applier: Applier, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    with monkeypatch.context() as while_broken:
        while_broken.setattr(module, "parse", fail)
        events = applier.read([delivered("msg_1"), stop_of("msg_2")])
        with pytest.raises(NotApplied, match="ItemsHeld"):
            applier.apply(events)
    assert letters(engine) == []
    applier.apply(events)
    assert count(engine, "events") == 2


def test_a_parser_that_fails_for_one_body_buries_that_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = module.parse

    def fail_for_one(raw_event: RawEvent, *arguments: Any) -> Any:
        if REFUSED.encode() in raw_event.body:
            raise KeyError
        return parse(raw_event, *arguments)

    monkeypatch.setattr(module, "parse", fail_for_one)
    events = [delivered("msg_1"), delivered(REFUSED)]
    assert apply(engine, events, options=AO, now=minute(9)) == Tally(received=2, applied=1, dead=1)
    assert letters(engine) == [("refused", "KeyError")]


@on_postgres
def test_a_trigger_that_raises_for_every_row_buries_nothing(applier: Applier, engine: Engine) -> None:
    raise_in_a_trigger(engine, "true")
    events = applier.read([delivered("msg_1"), delivered("msg_2")])
    with capture_logs() as logs:
        for _ in range(TRIES + 1):
            with pytest.raises(NotApplied):
                applier.apply(events)
    assert letters(engine) == []
    assert [line["event"] for line in logs] == [*["batch.failed"] * (TRIES - 1), "batch.held"]
    drop_trigger(engine)
    applier.apply(events)
    assert count(engine, "message_status") == 2


@on_postgres
def test_a_check_at_the_commit_counts_for_known_good_events_as_well(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'own' USING ERRCODE = '23514'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER own AFTER INSERT ON message_status DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(Exception, match="own"):
        apply(engine, [delivered("msg_1")], options=AO, now=minute(9))
    assert letters(engine) == []


def test_a_known_good_event_leaves_nothing_behind(engine: Engine) -> None:
    for event_type in module.EventType:
        assert module.try_known_good(engine, AO, event_type) is None
    for table in ("events", "bodies", "message_status", "campaign_status", "opt_outs", "rollup_deltas"):
        assert count(engine, table) == 0, table


def test_a_worker_goes_on_by_itself_once_what_held_its_batch_is_over(
    applier: Applier, engine: Engine, redis: Redis, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(queue, [delivered("msg_1"), stop_of("msg_2")], at_front=False)
    worker = EventWorker(redis, applier, Stop())
    work = threading.Thread(target=worker.work, kwargs={"burst": True})
    with monkeypatch.context() as while_broken, capture_logs() as logs:
        while_broken.setattr(module, "merge_ledger", _raise_key_error)
        work.start()
        wait_for(lambda: "batch.held" in repr(logs), seconds=20, what="the batch being held")
        assert redis.llen(queue.intermediate_queue_key) == 1
    work.join(60)
    assert (count(engine, "events"), letters(engine)) == (2, [])
    assert queue.is_empty()
    assert worker.failed_job_count == 0


# The inbox


def put(engine: Engine, *events: RawEvent) -> None:
    with engine.begin() as connection:
        at = datetime.now(UTC)
        rows = [{"body": event.body, "received_at": at, "due_at": at - timedelta(seconds=1)} for event in events]
        connection.execute(insert(INBOX), rows)


def test_the_inbox_is_held_likewise_and_keeps_its_rows(
    applier: Applier, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, delivered("msg_1"), stop_of("msg_2"))
    with monkeypatch.context() as while_broken, capture_logs() as logs:
        while_broken.setattr(module, "merge_ledger", _raise_key_error)
        for _ in range(2):
            with pytest.raises(NotApplied):
                applier.drain()
    assert (count(engine, "inbox"), letters(engine)) == (2, [])
    assert [(line["event"], line["source"]) for line in logs] == [("batch.held", "inbox")]
    applier.drain()
    assert (count(engine, "inbox"), count(engine, "events")) == (0, 2)


def test_a_poison_in_the_inbox_is_buried_and_the_rest_applied(engine: Engine, broken: Break) -> None:
    broken(lambda event: event.subject_id == REFUSED)
    put(engine, delivered("msg_1"), delivered(REFUSED), delivered("msg_2"))
    assert drain(engine, 100, options=AO, now=datetime.now(UTC)) == Tally(received=3, applied=2, dead=1)
    assert (count(engine, "inbox"), letters(engine)) == (0, [("refused", "KeyError")])


# Replay


def test_a_replay_refuses_no_letter_that_fails_because_of_us(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, broken: Break
) -> None:
    with monkeypatch.context() as while_poisonous:
        while_poisonous.setattr(module, "parse", module.parse)
        broken(lambda event: event.subject_id == REFUSED)
        apply(engine, [delivered(REFUSED)], options=AO, now=minute(9))
    broken(fail_always)
    with pytest.raises(ItemsHeld, match="KeyError"):
        list(replay(engine, LetterSelection(), options=AO))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT attempts FROM dead_letters")).scalar_one() == 1
    broken(lambda event: event.subject_id == REFUSED)
    (replayed,) = replay(engine, LetterSelection(), options=AO)
    assert (replayed.verdict, replayed.reason) == (ReplayVerdict.STILL_DEAD, "refused")


# Whose fault it is


@on_postgres
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("RAISE EXCEPTION 'own'", Fault.UNCERTAIN),
        ("RAISE EXCEPTION 'own' USING ERRCODE = 'XX000'", Fault.UNCERTAIN),
        ("RAISE EXCEPTION 'own' USING ERRCODE = '42P01'", Fault.UNCERTAIN),
        ("RAISE EXCEPTION 'own' USING ERRCODE = '23505'", Fault.EVENTS),
        ("RAISE EXCEPTION 'own' USING ERRCODE = '22001'", Fault.EVENTS),
        ("RAISE EXCEPTION 'own' USING ERRCODE = '54000'", Fault.EVENTS),
        *[
            (f"RAISE EXCEPTION 'own' USING ERRCODE = '{state}'", Fault.ABSENCE)
            for state in (
                *("08006", "25006", "28000", "3D000", "40001", "40P01"),
                *("53100", "53200", "53300", "55P03", "57014", "57P01", "57P03", "58030"),
            )
        ],
    ],
)
def test_an_error_of_postgresql_is_an_absence_or_may_lie_in_an_event(
    engine: Engine, statement: str, fault: Fault
) -> None:
    with pytest.raises(Exception, match="own") as caught, engine.begin() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN {statement}; END $$")
    assert fault_of(caught.value) is fault


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("before", "statement", "fault"),
    [
        ("PRAGMA query_only = ON", "DELETE FROM inbox", Fault.ABSENCE),
        ("PRAGMA max_page_count = 1", "INSERT INTO inbox VALUES (1, zeroblob(9000000), '', '', 0)", Fault.ABSENCE),
        ("", "SELECT * FROM nowhere", Fault.UNCERTAIN),
        ("", "INSERT INTO inbox (id) VALUES (1)", Fault.EVENTS),
    ],
    ids=["read-only", "full", "no such table", "not null"],
)
def test_an_error_of_sqlite_is_an_absence_or_may_lie_in_an_event(
    engine: Engine, before: str, statement: str, fault: Fault
) -> None:
    with engine.connect() as connection:
        if before:
            connection.exec_driver_sql(before)
        with pytest.raises(Exception, match="sqlite3") as caught:
            connection.exec_driver_sql(statement)
    assert fault_of(caught.value) is fault
    engine.dispose()
