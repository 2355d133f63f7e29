"""What is measured, end to end: counted where it happens, kept in Redis, and read back as one set of numbers."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from sqlalchemy import URL, Engine, make_url
from structlog.testing import capture_logs

from models.database import open_database
from receiver.webhook.inbox import InboxWriter
from receiver.webhook.reporter import Reporter
from sync.devtools.dev.embedded import RedisServer, private_redis
from sync.events.raw import PROBE_MARK, RawEvent, from_json
from sync.queue.connection import open_queue
from sync.queue.counts import HOURS_KEY, seconds_key
from sync.queue.jobs import enqueue
from sync.rollups.usual_gaps import HOUR_SECONDS, HOURS_OF_WEEK
from sync.settings.environment import RedisSettings
from sync.status import InRedis, measure, measure_database, measure_redis
from sync.suppression import Lookup, LookupStatus
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from sync.worker.usual_gaps import learn_usual_gaps
from tests.conftest import migrate
from tests.support.events_builder import ANA, AO, body, minute
from tests.support.intakes import driven_intake

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SECRETS = (b"one", b"two")


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return open_queue(redis)


def in_redis(queue: Queue) -> InRedis:
    numbers = measure_redis(queue, secrets=SECRETS)
    assert numbers is not None
    return numbers


def received(content: bytes, at: datetime | None = None) -> RawEvent:
    return RawEvent(body=content, received_at=at or datetime.now(UTC))


def work(redis: Redis, engine: Engine, *batches: list[RawEvent]) -> None:
    """Let a worker apply these batches, each before the next is there."""
    for raw_events in batches:
        enqueue(open_queue(redis), raw_events, at_front=False)
        EventWorker(redis, Applier(engine, options=AO, batch_size=100), Stop()).work(burst=True)


def message_body(name: str, at: float, message: str = "msg_1", **data: Any) -> bytes:
    return body(f"message.{name}", minute(at), message_id=message, to=ANA, **data)


# What workers count


@pytest.mark.every_redis
def test_what_became_of_events_is_counted_with_their_lag(redis: Redis, queue: Queue, engine: Engine) -> None:
    at = datetime.now(UTC) - timedelta(seconds=4)
    once = received(message_body("delivered", 1), at)
    work(redis, engine, [once, once, received(b"{", at), received(body("message.unknown", minute(1), id="msg_1"), at)])
    numbers = in_redis(queue)
    assert numbers.totals.events == {"applied": 1, "ignored": 1, "unchanged": 1, "dead": 1}
    assert numbers.last_hour.events == numbers.totals.events
    buckets = dict(numbers.totals.lag.buckets)
    assert (buckets[2.5], buckets[float("inf")]) == (0, 4)
    assert numbers.totals.lag.sum_seconds > 16
    assert numbers.totals.since is not None
    assert numbers.workers.latest is not None


def test_a_worker_that_registered_anew_after_an_absence_is_seen(redis: Redis, queue: Queue, engine: Engine) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    workers = [EventWorker(redis, Applier(engine, options=AO, batch_size=100), Stop()) for _ in range(3)]
    for worker in workers:
        worker.register_birth()
    # What it was registered as before an absence, under names that sort before and behind that of now.
    first, _, last = sorted(workers, key=lambda worker: str(worker.key))
    for worker in (first, last):
        redis.hset(worker.key, "last_heartbeat", long_ago.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    assert in_redis(queue).workers.running(datetime.now(UTC)) == 1
    for worker in workers:
        worker.register_death()


def test_a_conflict_and_a_late_event_are_counted_once(redis: Redis, queue: Queue, engine: Engine) -> None:
    final, other, late = message_body("delivered", 5), message_body("failed", 4), message_body("undeliverable", 3)
    work(redis, engine, [received(final)], [received(other)], [received(late)], [received(late)])
    assert (in_redis(queue).totals.conflicts, in_redis(queue).totals.late_events) == (1, 2)
    # Both final statuses in one batch are a conflict too, and neither comes late.
    work(redis, engine, [received(message_body("delivered", 5, "msg_2")), received(message_body("failed", 4, "msg_2"))])
    assert (in_redis(queue).totals.conflicts, in_redis(queue).totals.late_events) == (2, 2)


def test_copies_that_come_at_once_are_told_from_redeliveries(redis: Redis, queue: Queue, engine: Engine) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    first = received(message_body("delivered", 1), at)
    at_once = received(first.body, at + timedelta(milliseconds=40))
    redelivered = received(first.body, at + timedelta(seconds=60))
    work(redis, engine, [first, at_once], [redelivered], [at_once])
    hour = in_redis(queue).last_hour
    assert hour.events["unchanged"] == 3
    assert (hour.quick_copies, round(hour.quick_copies_seconds, 3)) == (2, 0.08)


def test_probes_and_test_events_are_no_traffic(redis: Redis, queue: Queue, engine: Engine) -> None:
    probe = PROBE_MARK + b', "id": "1"}'
    work(redis, engine, [received(probe), received(b'{"type": "test"}'), received(body("webhook.test", minute(1)))])
    numbers = in_redis(queue)
    assert (numbers.last_hour.probes_and_tests, numbers.totals.events["ignored"]) == (3, 3)
    assert numbers.last_counted_at is None
    assert list(redis.scan_iter("zexa-sync:seconds:*")) == []
    at = datetime.now(UTC) - timedelta(seconds=9)
    work(redis, engine, [received(message_body("delivered", 1), at)])
    last = in_redis(queue).last_counted_at
    assert last is not None
    assert abs(last - at) < timedelta(seconds=1)


def test_what_waits_is_a_sign_of_life_though_no_worker_runs(
    redis_server: RedisServer, queue: Queue, tmp_path: Path
) -> None:
    with driven_intake(redis_server.url, InboxWriter(make_url(f"sqlite:///{tmp_path}/none/zexa.db"))) as intake:
        intake.store(message_body("delivered", 1))
    numbers = in_redis(queue)
    assert numbers.last_counted_at == numbers.last_delivery_at is not None
    assert numbers.oldest_waiting_at is not None


def test_a_request_is_named_from_the_edge_to_the_line_of_its_batch(
    redis_server: RedisServer, redis: Redis, engine: Engine, tmp_path: Path
) -> None:
    with driven_intake(redis_server.url, InboxWriter(make_url(f"sqlite:///{tmp_path}/none/zexa.db"))) as intake:
        intake.runner.run(intake.intake.store(b"{", "request-1"))
    (job,) = open_queue(redis).get_jobs()
    assert [raw.request_id for raw in from_json(job.args[0])] == ["request-1"]
    with capture_logs() as logs:
        EventWorker(redis, Applier(engine, options=AO, batch_size=100), Stop()).work(burst=True)
    lines = {line["event"]: line for line in logs}
    assert lines["dead_letter.kept"]["request_id"] == "request-1"
    assert lines["batch.applied"]["request_ids"] == ["request-1"]


# What is counted while Redis is away


@on_sqlite
def test_deliveries_accepted_while_redis_is_away_are_counted_once_it_is_back(migrated_url: URL, tmp_path: Path) -> None:
    with private_redis(tmp_path / "redis", is_durable=False) as server:
        with driven_intake(server.url, InboxWriter(migrated_url)) as intake, Redis.from_url(server.url) as redis:
            redis.replicaof("127.0.0.1", 1)  # it answers, and refuses to be written to
            for number in range(3):
                intake.store(b"%d" % number)
            redis.replicaof("NO", "ONE")
        with Redis.from_url(server.url) as redis:
            assert in_redis(open_queue(redis)).totals.deliveries["200"] == 3


def test_a_reporter_whose_redis_is_away_keeps_what_it_counts(redis_server: RedisServer, queue: Queue) -> None:
    reporter = Reporter(RedisSettings(url="redis://127.0.0.1:1/0", verify_tls=True), SECRETS)
    reporter.matched(1)
    reporter.counts.add("code:403", "refused:wrong")
    reporter.stop()
    back = Reporter(RedisSettings(url=redis_server.url, verify_tls=True), SECRETS)
    back.counts.restore(reporter.counts.take())
    back.stop()
    numbers = in_redis(queue)
    assert (numbers.totals.deliveries["403"], numbers.totals.refused["wrong"]) == (1, 1)
    assert [secret.matched_at is not None for secret in numbers.secrets or ()] == [False, True]


def test_a_web_process_shows_that_it_lives_and_since_when_it_has_each_secret(
    redis_server: RedisServer, queue: Queue
) -> None:
    reporter = Reporter(RedisSettings(url=redis_server.url, verify_tls=True), SECRETS[:1])
    reporter.start()
    deadline = time.monotonic() + 10
    while not in_redis(queue).web.processes and time.monotonic() < deadline:
        time.sleep(0.05)
    reporter.stop()
    numbers = in_redis(queue)
    assert numbers.web.running(datetime.now(UTC)) == 1
    assert [secret.known_since is not None for secret in numbers.secrets or ()] == [True, False]


# How long it usually is


@pytest.mark.every_redis
def test_a_worker_learns_the_usual_gap_from_the_seconds_with_deliveries(redis: Redis, queue: Queue) -> None:
    current = int(time.time()) // HOUR_SECONDS
    for hour in (current - 2, current - 1):
        for second in range(0, HOUR_SECONDS, 60):
            redis.setbit(seconds_key(hour), second, 1)
    gaps_by_hour = {str(hour): "60 0 3540 60" for hour in range(current - 2 * HOURS_OF_WEEK, current - 2)}
    redis.hset(HOURS_KEY, mapping=gaps_by_hour)
    learn_usual_gaps(redis)
    assert in_redis(queue).usual_gap_seconds == 60
    assert redis.hlen(HOURS_KEY) == 2 * HOURS_OF_WEEK
    redis.delete(HOURS_KEY)
    learn_usual_gaps(redis)
    assert in_redis(queue).usual_gap_seconds == 60, "another worker did it within the minute"


def test_hours_of_more_than_eight_weeks_ago_are_forgotten(redis: Redis) -> None:
    current = int(time.time()) // HOUR_SECONDS
    redis.hset(HOURS_KEY, mapping={str(current - weeks * HOURS_OF_WEEK): "60 0 3540 60" for weeks in (1, 8, 9)})
    learn_usual_gaps(redis)
    assert {int(hour) for hour in redis.hkeys(HOURS_KEY)} == {current - HOURS_OF_WEEK, current - 8 * HOURS_OF_WEEK}


def test_the_usual_gap_is_unknown_before_two_weeks_are_known(redis: Redis, queue: Queue, engine: Engine) -> None:
    work(redis, engine, [received(message_body("delivered", 1), datetime.now(UTC) - timedelta(hours=2))])
    learn_usual_gaps(redis)
    assert in_redis(queue).usual_gap_seconds is None


# Clocks, and stores that are away


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_off_is_measured_and_lets_no_look_up_allow(
    redis: Redis, engine: Engine, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    lookup = Lookup(engine, open_queue(redis), default_region="AO")
    assert lookup.check([ANA])[0].status is LookupStatus.ALLOWED
    clock = time.time
    monkeypatch.setattr("time.time", lambda: clock() + hours * 3600)
    numbers = measure(engine, open_queue(redis), default_region="AO")
    assert numbers.redis is not None
    assert abs(numbers.redis.clock_offset_seconds + hours * 3600) < 60
    assert numbers.clock_spread_seconds is not None
    assert numbers.clock_spread_seconds > 7000
    answer = lookup.check([ANA])[0]
    assert (answer.status, answer.as_of, answer.held_by) == (LookupStatus.UNKNOWN, None, "clock")
    assert lookup.check([ANA], max_staleness=timedelta(hours=3))[0].status is LookupStatus.ALLOWED


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_clock_of_the_database_is_measured(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (numbers := measure_database(engine))
    assert numbers.clock_offset_seconds == 0
    clock = time.time
    monkeypatch.setattr("time.time", lambda: clock() - 30)
    assert (numbers := measure_database(engine))
    assert 20 < numbers.clock_offset_seconds < 40


def test_a_store_that_is_away_is_none_and_the_other_is_measured(redis: Redis, tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path}/zexa.db")
    migrate(url)
    engine, missing = open_database(url), open_database(make_url(f"sqlite:///{tmp_path}/none/zexa.db"))
    with Redis(port=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)) as away:
        assert measure(engine, open_queue(away), default_region="AO").redis is None
        assert measure(engine, open_queue(away), default_region="AO").database is not None
        assert measure(missing, open_queue(redis), default_region="AO").database is None
        assert measure(missing, open_queue(redis), default_region="AO").redis is not None
    engine.dispose()
    missing.dispose()
