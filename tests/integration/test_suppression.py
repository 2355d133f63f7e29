"""The look-up: it answers for any spelling, knows what it cannot know yet, and fails closed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, create_engine, insert, make_url

from models.database import open_database
from models.tables import DEAD_LETTERS, INBOX
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent, may_opt_out
from sync.opt_outs.remove import Resubscription, resubscribe
from sync.queue.connection import connect, open_queue
from sync.queue.failed import requeue
from sync.queue.jobs import enqueue
from sync.queue.waiting import waiting
from sync.settings.environment import RedisSettings
from sync.store.apply import apply
from sync.suppression import Lookup, LookupStatus
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.conftest import NOW
from tests.events_builder import ANA, AO, RECEIVED, RUI, body, minute, raw

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

SPELLINGS = (
    "+244912345678",
    "912 345 678",
    "00244912345678",
    "(912) 345-678",
    "tel:+244-912-345-678",
    "whatsapp:912345678",
)


@pytest.fixture
def lookup(migrated_url: URL, redis: Redis) -> Iterator[Lookup]:
    reader = open_database(migrated_url, is_read_only=True)
    yield Lookup(reader, open_queue(redis), default_region="AO")
    reader.dispose()


def stop(to: str | None = ANA, at: float = 1, name: str = "message.optout", **data: object) -> bytes:
    return body(name, minute(at), **({"to": to} if to else {}), **data)


CODE = "21610"
STRICT = ParseOptions(default_region="AO", opt_out_failures=frozenset({CODE}))


def give(engine: Engine, *bodies: bytes, received: datetime = RECEIVED, options: ParseOptions = AO) -> None:
    apply(engine, [raw(one, received) for one in bodies], options=options, now=NOW)


def work(engine: Engine, redis: Redis, options: ParseOptions = AO) -> None:
    """Apply all that waits in the queue."""
    EventWorker(redis, Applier(engine, options=options, batch_size=100), Stop()).work(burst=True)


def statuses(lookup: Lookup, *addresses: str, **scope: str) -> list[str]:
    return [str(answer.status) for answer in lookup.check(addresses, **scope)]


# What is found


def test_who_opted_out_is_suppressed_under_every_spelling_and_nobody_else(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop(message_id="m1", channel="sms", **{"from": "ZEXA"}))
    answers = lookup.check([*SPELLINGS, RUI])
    assert {answer.status for answer in answers[:-1]} == {LookupStatus.SUPPRESSED}
    assert {answer.address for answer in answers[:-1]} == {ANA}
    match = answers[0].match
    assert match is not None
    assert match == ("sms", "ZEXA", minute(1), "event", "m1")
    assert (answers[-1].status, answers[-1].address, answers[-1].match) == (LookupStatus.ALLOWED, RUI, None)
    assert [answer.input for answer in answers] == [*SPELLINGS, RUI]


@pytest.mark.parametrize(
    ("channel", "stored", "asked"),
    [
        ("email", "Ana@Example.COM", " ana@example.com "),
        ("slack", "U024BE7LH", "U024BE7LH"),
        ("telegram", "912 345 678", "+244912345678"),
        ("whatsapp", "+5215512345678", "+52 55 1234 5678"),
        ("fax", "912345678", "+244 912 345 678"),
    ],
)
def test_an_address_is_found_with_its_channel_and_without(
    engine: Engine, lookup: Lookup, channel: str, stored: str, asked: str
) -> None:
    give(engine, stop(stored, channel=channel))
    assert statuses(lookup, asked, channel=channel) == ["suppressed"]
    assert statuses(lookup, asked) == ["suppressed"]


def test_the_strict_scope_is_the_default_and_a_narrower_one_must_be_asked_for(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop(channel="sms", **{"from": "A"}), stop(RUI))
    assert statuses(lookup, ANA) == ["suppressed"]
    assert statuses(lookup, ANA, channel=" SMS ", sender="A") == ["suppressed"]
    assert statuses(lookup, ANA, channel="whatsapp") == ["allowed"]
    assert statuses(lookup, ANA, sender="B") == ["allowed"]
    assert statuses(lookup, RUI, channel="whatsapp", sender="B") == ["suppressed"]  # it names neither


def test_of_several_opt_outs_the_earliest_is_told(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop(channel="sms", at=3), stop(channel="whatsapp", at=2, message_id="first"))
    (answer,) = lookup.check([ANA])
    assert answer.match
    assert (answer.match.channel, answer.match.message_id) == ("whatsapp", "first")


def test_an_ended_opt_out_suppresses_nobody(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop())
    stated = Resubscription(channel=None, sender=None, by="Rosa", reason="form")
    with engine.begin() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: minute(121), default_region="AO")
    assert statuses(lookup, ANA) == ["allowed"]


@pytest.mark.parametrize(
    "given", ["", "  ", "Ana", "12", "a" * 1025, "\0", "+244912345678\0", "\ud800", "@", "ana@", "912345678x"]
)
def test_what_is_no_address_is_invalid_and_not_to_be_messaged(lookup: Lookup, given: str) -> None:
    (answer,) = lookup.check([given])
    assert (answer.status, answer.address, answer.match) == (LookupStatus.INVALID, None, None)
    assert answer.is_suppressed()


@pytest.mark.parametrize("odd", ["\0", "\ud800"])
def test_a_scope_that_is_no_text_raises_nothing_and_hides_no_opt_out(engine: Engine, lookup: Lookup, odd: str) -> None:
    give(engine, stop())
    assert lookup.is_suppressed(ANA, channel=odd)
    assert lookup.is_suppressed(ANA, sender=odd)


ODD = (
    '"',
    "\\",
    '\\"',
    "{}",
    "{a,b}",
    "a,b",
    "NULL",
    "null",
    "'",
    "%s",
    ":x",
    "?",
    "a\nb",
    "\t x",
    "é",
    "a\u2028b",
    "\U0001f600",
    "()",
)


def test_whatever_an_address_is_made_of_it_is_found_and_no_other(engine: Engine, lookup: Lookup) -> None:
    give(engine, *(stop(odd, channel="slack", message_id=f"m{number}") for number, odd in enumerate(ODD[::2])))
    assert statuses(lookup, *ODD, channel="slack") == ["suppressed", "allowed"] * (len(ODD) // 2)


def test_nothing_asked_is_nothing_answered(lookup: Lookup) -> None:
    assert lookup.check([]) == []


def test_ten_thousand_addresses_are_answered_in_their_order(engine: Engine, lookup: Lookup) -> None:
    give(engine, *(stop(f"+2449120{number:05}", message_id=f"m{number}") for number in range(0, 10_000, 100)))
    answers = lookup.check(f"+2449120{number:05}" for number in range(10_000))
    assert [index for index, answer in enumerate(answers) if answer.is_suppressed()] == list(range(0, 10_000, 100))


# How fresh it is


def as_of(lookup: Lookup) -> datetime:
    (answer,) = lookup.check([RUI])
    assert answer.as_of
    return answer.as_of


def test_where_nothing_waits_the_answer_is_of_this_moment(lookup: Lookup) -> None:
    begun = datetime.now(UTC)
    assert begun <= as_of(lookup) <= datetime.now(UTC)
    assert lookup.freshness().held_by is None


def test_an_opt_out_in_the_queue_holds_the_answer_back_until_it_is_applied(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=received)], at_front=True)
    assert received - timedelta(milliseconds=1) < as_of(lookup) < received
    assert lookup.freshness().held_by == "queue"
    assert statuses(lookup, ANA, RUI) == ["unknown", "unknown"]
    assert lookup.is_suppressed(RUI)
    assert not lookup.is_suppressed(RUI, max_staleness=timedelta(minutes=6))
    assert not lookup.is_suppressed(RUI, max_staleness=360)
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]
    assert lookup.freshness().held_by is None


@pytest.mark.parametrize("claimed", ["1999-01-01T00:00:00Z", "2026-06-24T10:01:00Z", "2050-01-01T00:00:00Z", "soon"])
def test_an_opt_out_that_waits_holds_the_answer_back_by_its_receipt_whatever_time_it_claims(
    lookup: Lookup, redis: Redis, claimed: str
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    content = body("message.optout", None, to=ANA, opted_out_at=claimed)
    enqueue(open_queue(redis), [RawEvent(body=content, received_at=received)], at_front=True)
    assert as_of(lookup) == received - timedelta(microseconds=1)


@pytest.mark.parametrize("name", ["message.opt_out", "Message.OptOut", "MESSAGE.OPTOUT", "message optout"])
def test_an_opt_out_under_any_spelling_of_its_name_is_taken_first_and_holds_the_answer_back(
    engine: Engine, lookup: Lookup, redis: Redis, name: str
) -> None:
    """As the web process puts it on the queue, which reads no more of a body than this."""
    received = datetime.now(UTC) - timedelta(minutes=5)
    content = stop(name=name)
    is_urgent = may_opt_out(content, failures_may=False)
    enqueue(open_queue(redis), [RawEvent(body=content, received_at=received)], at_front=is_urgent)
    before = as_of(lookup)
    work(engine, redis)
    assert statuses(lookup, ANA) == ["suppressed"]
    assert before < received


def test_deliveries_that_wait_hold_nothing_back(lookup: Lookup, redis: Redis) -> None:
    old = datetime.now(UTC) - timedelta(hours=1)
    enqueue(open_queue(redis), [RawEvent(body=b"{}", received_at=old)], at_front=False)
    assert statuses(lookup, RUI) == ["allowed"]


def test_a_job_that_a_person_removed_holds_nothing_back(lookup: Lookup, redis: Redis) -> None:
    queue = open_queue(redis)
    enqueue(queue, [RawEvent(body=stop(), received_at=NOW)], at_front=True)
    queue.delete(delete_jobs=True)
    assert statuses(lookup, RUI) == ["allowed"]


def test_an_opt_out_in_the_inbox_holds_the_answer_back(engine: Engine, lookup: Lookup) -> None:
    for is_urgent in (False, True):
        assert lookup.freshness().held_by is None
        with engine.begin() as connection:
            row = {"body": stop(), "received_at": NOW, "due_at": NOW, "may_opt_out": is_urgent}
            connection.execute(insert(INBOX).values(**row))
    assert (as_of(lookup), lookup.freshness().held_by) == (NOW - timedelta(microseconds=1), "inbox")


def test_a_dead_letter_that_may_be_an_opt_out_holds_the_answer_back_until_a_person_resolves_it(
    engine: Engine, lookup: Lookup
) -> None:
    give(engine, b"", b" \n", b"[]", body("message.delivered", message_id="x" * 2000))
    assert lookup.freshness().held_by is None
    for may_be_one in (stop(None), b'{"event": "message.optout", ', b'{"event": "message.delivered", ', b"not json"):
        give(engine, may_be_one)
        assert lookup.freshness().held_by == "dead_letters"
        assert statuses(lookup, RUI) == ["unknown"]
        with engine.begin() as connection:
            connection.execute(DEAD_LETTERS.update().values(resolved_at=NOW))
        assert lookup.freshness().held_by is None


# Opt-outs that name no person. A delivery names the person, and waits behind thousands of others.


def nameless(engine: Engine, received: datetime, claimed: datetime | None = None, message_id: str = "m1") -> None:
    give(engine, body("message.optout", claimed or received, message_id=message_id), received=received)


def tell(redis: Redis, received: datetime, to: str = ANA, message_id: str = "m1") -> None:
    """A delivery that names the recipient of the message waits in the queue."""
    content = body("message.delivered", minute(0), message_id=message_id, to=to)
    enqueue(open_queue(redis), [RawEvent(body=content, received_at=received)], at_front=False)


def test_an_opt_out_whose_message_is_still_to_tell_whose_it_is_holds_back_while_anything_waits(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received)
    assert lookup.freshness().held_by is None  # all that was ever sent is known
    tell(redis, datetime.now(UTC))
    assert lookup.freshness().held_by == "message"
    assert as_of(lookup) == received - timedelta(microseconds=1)
    assert statuses(lookup, RUI) == ["unknown"]
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]
    assert lookup.freshness().held_by is None


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "behind",
    [2 * HOUR, timedelta(minutes=-10), timedelta(days=-365 * 24), timedelta(days=365 * 10)],
    ids=["two hours old", "ten minutes ahead", "24 years ahead", "ten years old"],
)
def test_a_nameless_opt_out_holds_back_by_its_receipt_whatever_time_it_claims(
    engine: Engine, lookup: Lookup, redis: Redis, behind: timedelta
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received, claimed=received - behind)
    tell(redis, received - timedelta(minutes=30))
    assert as_of(lookup) == received - timedelta(microseconds=1)
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


def test_a_nameless_opt_out_without_a_time_holds_back_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(engine, body("message.optout", None, message_id="m1"), received=received)
    tell(redis, received)
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "message")


def test_a_nameless_opt_out_holds_back_from_its_earliest_receipt(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    content = body("message.optout", None, message_id="m1")
    for each in (received, received - timedelta(minutes=5), received + timedelta(minutes=5)):
        give(engine, content, received=each)
    tell(redis, received)
    assert as_of(lookup) == received - timedelta(minutes=5, microseconds=1)


@pytest.mark.parametrize(("after", "is_held"), [(-24 * HOUR, True), (HOUR, True), (HOUR + HOUR / 3600, False)])
def test_what_was_received_up_to_an_hour_after_a_nameless_opt_out_may_tell_whose_it_is(
    engine: Engine, lookup: Lookup, redis: Redis, after: timedelta, is_held: bool
) -> None:
    received = datetime.now(UTC) - 2 * HOUR
    nameless(engine, received)
    tell(redis, received + after)
    assert (lookup.freshness().held_by == "message") is is_held
    assert statuses(lookup, RUI) == (["unknown"] if is_held else ["allowed"])
    work(engine, redis)
    assert statuses(lookup, ANA) == ["suppressed"]  # a later event counts all the same


def test_of_several_nameless_opt_outs_the_oldest_that_may_be_told_holds_back(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    now = datetime.now(UTC)
    for hours in (5, 3, 1):
        nameless(engine, now - hours * HOUR, message_id=f"m{hours}")
    tell(redis, now - 3 * HOUR)
    assert as_of(lookup) == now - 3 * HOUR - timedelta(microseconds=1)


def test_the_oldest_that_waits_decides_though_newer_deliveries_wait_before_it(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    now = datetime.now(UTC)
    nameless(engine, now - 3 * HOUR)
    for minutes in range(5):
        tell(redis, now - timedelta(minutes=minutes), to=RUI, message_id=f"other_{minutes}")
    assert lookup.freshness().held_by is None
    tell(redis, now - 3 * HOUR)
    assert lookup.freshness().held_by == "message"


def test_a_failure_that_opts_out_and_names_nobody_holds_back_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(
        engine,
        body("message.failed", minute(1), message_id="m1", error_code=CODE),
        received=received,
        options=STRICT,
    )
    assert lookup.freshness().held_by is None
    tell(redis, received)
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "message")
    work(engine, redis, STRICT)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


def test_a_failure_that_opts_out_nobody_holds_nothing_back(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(engine, body("message.failed", minute(1), message_id="m1", error_code=CODE), received=received)
    tell(redis, received)
    assert lookup.freshness().held_by is None


def test_what_tells_the_address_holds_back_in_a_workers_hand_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    nameless(engine, datetime.now(UTC) - timedelta(minutes=10))
    tell(redis, datetime.now(UTC))
    queue = open_queue(redis)
    assert redis.lmove(queue.key, queue.intermediate_queue_key)
    assert (len(queue), lookup.freshness().held_by) == (0, "message")


def fail_what_waits(engine: Engine, redis: Redis) -> str:
    """Do to the only job what RQ does to one whose worker died too often; return its id."""
    queue = open_queue(redis)
    (job,) = queue.get_jobs()
    redis.lrem(queue.key, 1, job.id)
    job.retries_left = 0
    worker = EventWorker(redis, Applier(engine, options=AO, batch_size=100), Stop())
    worker.handle_job_failure(job, queue, exc_string="killed too often")
    return str(job.id)


def test_what_tells_the_address_holds_back_in_a_failed_job_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received)
    tell(redis, received)
    job_id = fail_what_waits(engine, redis)
    assert (len(open_queue(redis)), lookup.freshness().held_by) == (0, "message")
    assert as_of(lookup) == received - timedelta(microseconds=1)
    assert requeue(open_queue(redis), job_id) == 1
    assert lookup.freshness().held_by == "message"
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]
    assert waiting(open_queue(redis)).oldest is None


def test_an_opt_out_in_a_failed_job_holds_the_answer_back(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=received)], at_front=True)
    job_id = fail_what_waits(engine, redis)
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "queue")
    assert requeue(open_queue(redis), job_id) == 1
    work(engine, redis)
    assert statuses(lookup, ANA) == ["suppressed"]


@pytest.mark.parametrize("due", [timedelta(0), HOUR])
def test_what_tells_the_address_holds_back_in_the_inbox_too(engine: Engine, lookup: Lookup, due: timedelta) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received)
    with engine.begin() as connection:
        content = body("message.delivered", minute(0), message_id="m1", to=ANA)
        row = {"body": content, "received_at": received, "due_at": received + due, "may_opt_out": False}
        connection.execute(insert(INBOX).values(**row))
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "message")


def test_a_delivery_that_tells_of_another_message_leaves_an_opt_out_nameless(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    nameless(engine, datetime.now(UTC) - timedelta(minutes=10))
    tell(redis, datetime.now(UTC), message_id="another")
    work(engine, redis)
    assert statuses(lookup, ANA) == ["allowed"]
    tell(redis, datetime.now(UTC), message_id="one_more")
    assert lookup.freshness().held_by == "message"


def test_whatever_holds_back_longest_decides(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    now = datetime.now(UTC)
    nameless(engine, now - timedelta(minutes=20))
    tell(redis, now)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=now - timedelta(minutes=10))], at_front=True)
    assert (as_of(lookup), lookup.freshness().held_by) == (now - timedelta(minutes=20, microseconds=1), "message")
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=now - timedelta(minutes=30))], at_front=True)
    assert (as_of(lookup), lookup.freshness().held_by) == (now - timedelta(minutes=30, microseconds=1), "queue")


def test_an_opt_out_with_an_address_that_its_message_may_widen_holds_nothing_back(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    """Somebody is named; that a delivery will name another is not expected."""
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(engine, stop(message_id="m1"), received=received)
    tell(redis, received, to=RUI)
    assert lookup.freshness().held_by is None
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "suppressed"]


# If a store does not answer


def test_where_redis_is_away_only_a_known_opt_out_is_told(engine: Engine, migrated_url: URL) -> None:
    give(engine, stop())
    away = connect(RedisSettings(url="redis://127.0.0.1:1/0", verify_tls=True), connections=1, seconds=0.2)
    reader = open_database(migrated_url, is_read_only=True)
    lookup = Lookup(reader, open_queue(away), default_region="AO")
    answers = lookup.check([ANA, RUI, "Ana"])
    assert [str(answer.status) for answer in answers] == ["suppressed", "unknown", "invalid"]
    assert {answer.as_of for answer in answers} == {None}
    assert all(answer.is_suppressed() for answer in answers)
    assert lookup.freshness().held_by == "redis"
    reader.dispose()


@pytest.mark.parametrize("url", ["sqlite:////nowhere/zexa.db", "postgresql+psycopg://127.0.0.1:1/zexa"])
def test_where_the_database_is_away_nobody_is_allowed(url: str, redis: Redis) -> None:
    lookup = Lookup(open_database(make_url(url)), open_queue(redis), default_region="AO")
    answers = lookup.check([ANA, "Ana"])
    assert [str(answer.status) for answer in answers] == ["unknown", "invalid"]
    assert lookup.is_suppressed(ANA, max_staleness=timedelta(days=999))
    assert lookup.freshness().held_by == "database"


def test_a_schema_without_the_table_allows_nobody(engine: Engine, lookup: Lookup) -> None:
    with engine.begin() as connection:
        # On PostgreSQL the views that read it go too.
        cascade = " CASCADE" if engine.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP TABLE opt_outs{cascade}")
    assert statuses(lookup, ANA) == ["unknown"]


@pytest.fixture
def rested(migrated_url: URL, redis: Redis) -> Iterator[tuple[Engine, Lookup]]:
    """A look-up that does not test connections first, and has two that rest in its pool."""
    reader = open_database(migrated_url, pool_size=2, is_read_only=True, is_tested_first=False)
    with reader.connect(), reader.connect():
        pass
    yield reader, Lookup(reader, open_queue(redis), default_region="AO")
    reader.dispose()


def resting_connections(reader: Engine) -> list[Any]:
    """Return the two that rest, which go on doing so."""
    with reader.connect() as one, reader.connect() as other:
        return [of.connection.dbapi_connection for of in (one, other)]


def end_sessions(engine: Engine) -> None:
    """Do to all other connections what a restart of the server does."""
    with engine.begin() as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.exec_driver_sql(f"{end} AND datname = current_database()")


@ON_POSTGRESQL
def test_a_server_that_was_restarted_since_is_asked_again(engine: Engine, rested: tuple[Engine, Lookup]) -> None:
    _, lookup = rested
    give(engine, stop())
    end_sessions(engine)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


@ON_POSTGRESQL
def test_connections_that_were_closed_while_they_rested_are_replaced(
    engine: Engine, rested: tuple[Engine, Lookup]
) -> None:
    reader, lookup = rested
    give(engine, stop())
    for each in resting_connections(reader):
        each.close()
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


class Stopped(BaseException):
    """As a task is stopped, in the middle of its work."""


@ON_POSTGRESQL
def test_who_is_stopped_in_the_middle_leaves_no_connection_for_others_to_read_the_rest_from(
    engine: Engine, rested: tuple[Engine, Lookup], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, lookup = rested
    give(engine, stop())
    resting = resting_connections(reader)

    def stopped(_cursor: object) -> NoReturn:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("psycopg.Cursor.fetchall", stopped)
        for _ in range(3):  # more often than there are connections
            with pytest.raises(Stopped):
                lookup.check([ANA])
    assert [each.closed for each in resting] == [True, True]
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


@pytest.mark.direct("a database to which a pooler keeps connections cannot be renamed")
@ON_POSTGRESQL
def test_where_the_server_is_still_away_after_its_restart_nobody_is_allowed(
    engine: Engine, rested: tuple[Engine, Lookup], migrated_url: URL, postgres_server: URL
) -> None:
    _, lookup = rested
    end_sessions(engine)
    engine.dispose()
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {migrated_url.database} RENAME TO away_{migrated_url.database}")
        assert statuses(lookup, ANA, RUI) == ["unknown", "unknown"]
        connection.exec_driver_sql(f"ALTER DATABASE away_{migrated_url.database} RENAME TO {migrated_url.database}")
    assert statuses(lookup, ANA, RUI) == ["allowed", "allowed"]
    admin.dispose()
