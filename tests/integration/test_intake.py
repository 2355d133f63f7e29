"""Group commit: many deliveries, one job, and each answered only once Redis confirmed it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import gevent
import pytest
from redis import Redis
from sqlalchemy import make_url

from receiver import intake as module
from receiver.inbox import Inbox
from receiver.intake import Intake, Lane, StoreUnavailable
from sync.devtools.dev.embedded import RedisServer, free_port
from sync.environment import RedisSettings
from sync.queue import Waiting, open_queue, waiting
from sync.raw_events import RawEvent, from_json

pytestmark = pytest.mark.every_redis


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """One whose database is not there."""
    return Inbox(make_url(f"sqlite:///{tmp_path}/missing/zexa.db"))


@pytest.fixture
def intake(redis_server: RedisServer, redis: Redis, inbox: Inbox) -> Iterator[Intake]:
    assert redis.dbsize() == 0
    intake = Intake(RedisSettings(url=redis_server.url, verify_tls=True), inbox)
    yield intake
    intake.redis.close()
    intake.redis.connection_pool.disconnect()


def groups(redis: Redis) -> list[list[bytes]]:
    return [[raw.body for raw in from_json(job.args[0])] for job in open_queue(redis).get_jobs()]


def store_all(intake: Intake, bodies: list[bytes]) -> list[Exception | None]:
    """Store `bodies` at the same moment; return the error of each, None if it was stored."""
    greenlets = [gevent.spawn(intake.store, body) for body in bodies]
    gevent.joinall(greenlets)
    return [greenlet.exception for greenlet in greenlets]


@pytest.fixture(autouse=True)
def no_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gevent.get_hub(), "NOT_ERROR", (*gevent.get_hub().NOT_ERROR, StoreUnavailable))


def test_deliveries_of_one_moment_share_one_job(intake: Intake, redis: Redis) -> None:
    bodies = [b"%d" % number for number in range(50)]
    assert store_all(intake, bodies) == [None] * 50
    assert groups(redis) == [bodies]


@pytest.mark.parametrize(("crowd", "together"), [(2, [[b"0", b"1", b"late"]]), (1, [[b"0"], [b"late"]])])
def test_a_crowd_takes_along_who_comes_in_the_same_turn_and_one_alone_waits_for_nobody(
    crowd: int, together: list[list[bytes]]
) -> None:
    sent: list[list[bytes]] = []
    lane = Lane(lambda raw_events: sent.append([raw.body for raw in raw_events]))

    def join(body: bytes, turns: int) -> None:
        for _ in range(turns):
            gevent.sleep(0)
        lane.join(RawEvent(body=body, received_at=datetime.now(UTC))).outcome.get()

    gevent.joinall(
        [gevent.spawn(join, b"%d" % number, 0) for number in range(crowd)] + [gevent.spawn(join, b"late", 3)]
    )
    assert sent == together


def test_a_delivery_on_its_own_is_a_job_of_its_own(intake: Intake, redis: Redis) -> None:
    intake.store(b'"one"')
    intake.store(b'"two"')
    assert groups(redis) == [[b'"one"'], [b'"two"']]


def test_any_bytes_arrive_as_they_were(intake: Intake, redis: Redis) -> None:
    body = bytes(range(256)) + "é\ud800".encode("utf-8", "surrogatepass")
    intake.store(body)
    assert groups(redis) == [[body]]


def test_opt_outs_have_a_job_of_their_own_at_the_front(intake: Intake, redis: Redis) -> None:
    stop = json.dumps({"event": "message.optout"}).encode()
    assert store_all(intake, [b'"one"', stop, b'"two"']) == [None] * 3
    assert groups(redis) == [[stop], [b'"one"', b'"two"']]


def test_a_group_holds_a_bounded_number_of_events_and_bytes(intake: Intake, redis: Redis) -> None:
    small = [b"%d" % number for number in range(module.GROUP_EVENTS_MAX + 1)]
    assert store_all(intake, small) == [None] * len(small)
    assert [len(group) for group in groups(redis)] == [module.GROUP_EVENTS_MAX, 1]
    redis.flushall()
    large = [b"1" * (module.GROUP_BYTES_MAX // 4)] * 5
    assert store_all(intake, large) == [None] * 5
    assert [len(group) for group in groups(redis)] == [4, 1]


def test_what_waits_in_one_process_is_bounded(intake: Intake, redis: Redis) -> None:
    bodies = [b"%d" % number for number in range(module.PENDING_EVENTS_MAX + 10)]
    errors = store_all(intake, bodies)
    assert [error for error in errors[: module.PENDING_EVENTS_MAX] if error] == []
    assert all(isinstance(error, StoreUnavailable) for error in errors[module.PENDING_EVENTS_MAX :])
    assert sum(len(group) for group in groups(redis)) == module.PENDING_EVENTS_MAX
    assert store_all(intake, [b"again"]) == [None]


def test_where_neither_store_is_there_every_delivery_of_the_group_is_told_so(inbox: Inbox) -> None:
    intake = Intake(RedisSettings(url=f"redis://127.0.0.1:{free_port()}/0", verify_tls=True), inbox)
    for _ in range(2):
        errors = store_all(intake, [b'"one"', b'"two"'])
        assert [type(error) for error in errors] == [StoreUnavailable] * 2


def test_a_delivery_whose_client_hangs_up_changes_nothing_for_the_others(intake: Intake, redis: Redis) -> None:
    greenlets = [gevent.spawn(intake.store, body) for body in (b'"one"', b'"two"', b'"three"')]
    gevent.sleep(0)  # all three have joined the group
    greenlets[0].kill(block=False)
    gevent.joinall(greenlets)
    assert [greenlet.exception for greenlet in greenlets[1:]] == [None, None]
    assert groups(redis) == [[b'"one"', b'"two"', b'"three"']]


def test_failures_go_to_the_front_where_they_may_opt_out(redis_server: RedisServer, redis: Redis, inbox: Inbox) -> None:
    settings = RedisSettings(url=redis_server.url, verify_tls=True)
    intake = Intake(settings, inbox, failures_may_opt_out=True)
    failure = b'{"event": "message.failed"}'
    assert store_all(intake, [b'"one"', failure]) == [None, None]
    assert sorted(groups(redis), key=lambda group: group != [failure]) == groups(redis)
    intake.redis.connection_pool.disconnect()


def test_an_opt_out_under_any_spelling_of_its_name_goes_to_the_front(intake: Intake, redis: Redis) -> None:
    stops = [json.dumps({"event": name}).encode() for name in ("Message.OptOut", "message.opt_out", "MESSAGE OPT-OUT")]
    assert store_all(intake, [b'"one"', *stops, b'"two"']) == [None] * 5
    assert groups(redis) == [stops, [b'"one"', b'"two"']]


def test_what_waits_is_noted_with_the_time_it_was_received_and_what_may_opt_out_apart(
    intake: Intake, redis: Redis
) -> None:
    assert waiting(open_queue(redis)) == Waiting(oldest=None, oldest_opt_out=None)
    times = [datetime.now(UTC)]
    for body in (b'"one"', b'{"event": "message.optout"}', b'"two"'):
        assert store_all(intake, [body]) == [None]
        times.append(datetime.now(UTC))
    found = waiting(open_queue(redis))
    assert found.oldest
    assert found.oldest_opt_out
    assert times[0] <= found.oldest <= times[1] <= found.oldest_opt_out <= times[2]


def test_deliveries_alone_are_noted_as_no_opt_out(intake: Intake, redis: Redis) -> None:
    assert store_all(intake, [b'"one"', b'"two"']) == [None, None]
    found = waiting(open_queue(redis))
    assert found.oldest
    assert found.oldest_opt_out is None


def test_a_job_that_is_gone_waits_no_more_and_is_forgotten(intake: Intake, redis: Redis) -> None:
    begun = datetime.now(UTC)
    for body in [b"%d" % number for number in range(5)] + [b'{"event": "message.optout"}']:
        assert store_all(intake, [body]) == [None]
    queue = open_queue(redis)
    stop, *others = queue.get_jobs()
    for job in (stop, *others[:-1]):
        job.delete()
    found = waiting(queue)
    assert found.oldest_opt_out is None
    assert found.oldest
    assert begun < found.oldest
    others[-1].delete()
    assert waiting(queue) == Waiting(oldest=None, oldest_opt_out=None)
    assert not redis.exists("zexa-sync:waiting", "zexa-sync:opt-outs")
