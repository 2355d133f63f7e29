"""Group commit: many deliveries, one job, and each answered only once Redis confirmed it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import make_url

from receiver.webhook import groups as module
from receiver.webhook.groups import Lane, StoreUnavailable
from receiver.webhook.inbox import InboxWriter
from sync.devtools.dev.embedded import RedisServer, free_port
from sync.events.raw import RawEvent, from_json
from sync.queue.connection import open_queue
from sync.queue.waiting import WaitingInRedis, read_waiting
from tests.support.intakes import DrivenIntake, driven_intake

pytestmark = pytest.mark.every_redis


@pytest.fixture
def inbox(tmp_path: Path) -> InboxWriter:
    """One whose database is not there."""
    return InboxWriter(make_url(f"sqlite:///{tmp_path}/missing/zexa.db"))


@pytest.fixture
def intake(redis_server: RedisServer, redis: Redis, inbox: InboxWriter) -> Iterator[DrivenIntake]:
    assert redis.dbsize() == 0
    with driven_intake(redis_server.url, inbox) as intake:
        yield intake


def groups(redis: Redis) -> list[list[bytes]]:
    return [[raw.body for raw in from_json(job.args[0])] for job in open_queue(redis).get_jobs()]


def test_deliveries_of_one_moment_share_one_job(intake: DrivenIntake, redis: Redis) -> None:
    bodies = [b"%d" % number for number in range(50)]
    assert intake.store_all(bodies) == [None] * 50
    assert groups(redis) == [bodies]


@pytest.mark.parametrize(("crowd", "together"), [(2, [[b"0", b"1", b"late"]]), (1, [[b"0"], [b"late"]])])
def test_a_crowd_takes_along_who_comes_in_the_same_turn_and_one_alone_waits_for_nobody(
    crowd: int, together: list[list[bytes]]
) -> None:
    sent: list[list[bytes]] = []

    async def send(raw_events: Any) -> None:
        sent.append([raw.body for raw in raw_events])

    async def store(lane: Lane, body: bytes, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await lane.store(RawEvent(body=body, received_at=datetime.now(UTC)))

    async def store_all() -> None:
        lane = Lane(send)
        await asyncio.gather(*(store(lane, b"%d" % number, 0) for number in range(crowd)), store(lane, b"late", 1))

    asyncio.run(store_all())
    assert sent == together


def test_a_delivery_on_its_own_is_a_job_of_its_own(intake: DrivenIntake, redis: Redis) -> None:
    intake.store(b'"one"')
    intake.store(b'"two"')
    assert groups(redis) == [[b'"one"'], [b'"two"']]


def test_any_bytes_arrive_as_they_were(intake: DrivenIntake, redis: Redis) -> None:
    body = bytes(range(256)) + "é\ud800".encode("utf-8", "surrogatepass")
    intake.store(body)
    assert groups(redis) == [[body]]


def test_opt_outs_have_a_job_of_their_own_at_the_front(intake: DrivenIntake, redis: Redis) -> None:
    stop = json.dumps({"event": "message.optout"}).encode()
    assert intake.store_all([b'"one"', stop, b'"two"']) == [None] * 3
    assert groups(redis) == [[stop], [b'"one"', b'"two"']]


def test_a_group_holds_a_bounded_number_of_events_and_bytes(
    intake: DrivenIntake, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may take its time: how long is no matter of this test.
    monkeypatch.setattr("receiver.webhook.intake.QUEUE_SECONDS", 30)
    monkeypatch.setattr(module, "STORE_SECONDS", 60)
    small = [b"%d" % number for number in range(module.GROUP_EVENTS_MAX + 1)]
    assert intake.store_all(small) == [None] * len(small)
    assert [len(group) for group in groups(redis)] == [module.GROUP_EVENTS_MAX, 1]
    redis.flushall()
    large = [b"1" * (module.GROUP_BYTES_MAX // 4)] * 5
    assert intake.store_all(large) == [None] * 5
    assert [len(group) for group in groups(redis)] == [4, 1]


def test_what_waits_in_one_process_is_bounded(intake: DrivenIntake, redis: Redis) -> None:
    bodies = [b"%d" % number for number in range(module.PENDING_EVENTS_MAX + 10)]
    errors = intake.store_all(bodies)
    assert [error for error in errors[: module.PENDING_EVENTS_MAX] if error] == []
    assert all(isinstance(error, StoreUnavailable) for error in errors[module.PENDING_EVENTS_MAX :])
    assert sum(len(group) for group in groups(redis)) == module.PENDING_EVENTS_MAX
    assert intake.store_all([b"again"]) == [None]


def test_where_neither_store_is_there_every_delivery_of_the_group_is_told_so(inbox: InboxWriter) -> None:
    with driven_intake(f"redis://127.0.0.1:{free_port()}/0", inbox) as intake:
        for _ in range(2):
            errors = intake.store_all([b'"one"', b'"two"'])
            assert [type(error) for error in errors] == [StoreUnavailable] * 2


def test_a_delivery_whose_client_hangs_up_changes_nothing_for_the_others(intake: DrivenIntake, redis: Redis) -> None:
    async def hang_up() -> list[Any]:
        tasks = [asyncio.create_task(intake.intake.store(body)) for body in (b'"one"', b'"two"', b'"three"')]
        await asyncio.sleep(0)  # all three have joined the group
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    gone, *others = intake.runner.run(hang_up())
    assert isinstance(gone, asyncio.CancelledError)
    assert others == [None, None]
    assert groups(redis) == [[b'"one"', b'"two"', b'"three"']]


def test_a_store_that_never_ends_is_told_of_in_time_and_the_next_group_has_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STORE_SECONDS", 0.1)
    sent: list[bytes] = []

    async def send(raw_events: Any) -> None:
        if not sent:
            sent.append(b"")
            await asyncio.Event().wait()
        sent.extend(raw.body for raw in raw_events)

    async def store_all() -> list[Any]:
        lane = Lane(send)
        stored = []
        for number in range(2):
            raw = RawEvent(body=b"%d" % number, received_at=datetime.now(UTC))
            stored += await asyncio.gather(lane.store(raw), return_exceptions=True)
        return stored

    first, second = asyncio.run(store_all())
    assert isinstance(first, StoreUnavailable)
    assert second is None
    assert sent == [b"", b"1"]


def test_a_connection_that_broke_while_it_rested_costs_no_delivery(intake: DrivenIntake, redis: Redis) -> None:
    """The inbox is not there: what Redis did not take the second time would be told."""
    for number in range(3):
        intake.store(b"%d" % number)
        redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert groups(redis) == [[b"0"], [b"1"], [b"2"]]


def test_failures_go_to_the_front_where_they_may_opt_out(
    redis_server: RedisServer, redis: Redis, inbox: InboxWriter
) -> None:
    failure = b'{"event": "message.failed"}'
    with driven_intake(redis_server.url, inbox, failures_may_opt_out=True) as intake:
        assert intake.store_all([b'"one"', failure]) == [None, None]
    assert sorted(groups(redis), key=lambda group: group != [failure]) == groups(redis)


def test_an_opt_out_under_any_spelling_of_its_name_goes_to_the_front(intake: DrivenIntake, redis: Redis) -> None:
    stops = [json.dumps({"event": name}).encode() for name in ("Message.OptOut", "message.opt_out", "MESSAGE OPT-OUT")]
    assert intake.store_all([b'"one"', *stops, b'"two"']) == [None] * 5
    assert groups(redis) == [stops, [b'"one"', b'"two"']]


def test_what_waits_is_noted_with_the_time_it_was_received_and_what_may_opt_out_apart(
    intake: DrivenIntake, redis: Redis
) -> None:
    assert read_waiting(open_queue(redis)) == WaitingInRedis(oldest=None, oldest_opt_out=None)
    times = [datetime.now(UTC)]
    for body in (b'"one"', b'{"event": "message.optout"}', b'"two"'):
        assert intake.store_all([body]) == [None]
        times.append(datetime.now(UTC))
    backlog = read_waiting(open_queue(redis))
    assert backlog.oldest
    assert backlog.oldest_opt_out
    assert times[0] <= backlog.oldest <= times[1] <= backlog.oldest_opt_out <= times[2]


def test_deliveries_alone_are_noted_as_no_opt_out(intake: DrivenIntake, redis: Redis) -> None:
    assert intake.store_all([b'"one"', b'"two"']) == [None, None]
    backlog = read_waiting(open_queue(redis))
    assert backlog.oldest
    assert backlog.oldest_opt_out is None


def test_a_job_that_is_gone_waits_no_more_and_is_forgotten(intake: DrivenIntake, redis: Redis) -> None:
    begun = datetime.now(UTC)
    for body in [b"%d" % number for number in range(5)] + [b'{"event": "message.optout"}']:
        assert intake.store_all([body]) == [None]
    queue = open_queue(redis)
    stop, *others = queue.get_jobs()
    for job in (stop, *others[:-1]):
        job.delete()
    backlog = read_waiting(queue)
    assert backlog.oldest_opt_out is None
    assert backlog.oldest
    assert begun < backlog.oldest
    others[-1].delete()
    assert read_waiting(queue) == WaitingInRedis(oldest=None, oldest_opt_out=None)
    assert not redis.exists("zexa-sync:waiting", "zexa-sync:opt-outs")
