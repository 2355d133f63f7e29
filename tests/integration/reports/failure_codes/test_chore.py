"""The worker's chore that counts failures which look like opt-outs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from redis import Redis
from sqlalchemy import Engine, insert, text
from structlog.testing import capture_logs

from models.tables import MESSAGES
from sync.devtools.dev.embedded import RedisServer
from sync.events.interpretation import ParseOptions
from sync.queue.connection import QUEUE_NAME
from sync.reports.failure_codes import FailureCodesChore, chore, count
from sync.reports.failure_codes.chore import CHORE_SECONDS, COUNT_SECONDS, LOCK_KEY, REST_FACTOR, WINDOW
from sync.reports.failure_codes.store import CountedFailures, latest_count
from sync.settings.environment import RedisSettings
from tests.support.events_builder import rows

DAY = timedelta(days=1)
NONE: frozenset[str] = frozenset()
MakeChore = Callable[..., FailureCodesChore]


def sent(recipient: str, days_ago: float, status: str, code: str | None = None, channel: str = "sms") -> dict[str, Any]:
    at = datetime.now(UTC) - days_ago * DAY
    return {
        "message_id": f"{recipient}-{days_ago}-{channel}",
        "channel": channel,
        "recipient": recipient,
        "status": status,
        "status_at": at,
        "failure_code": code,
        "conflict": False,
        "updated_at": at,
    }


def store(engine: Engine, *messages: dict[str, Any]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(MESSAGES), list(messages))


def people(letter: str, number: int) -> list[str]:
    return [f"+2449{letter}{place:05}" for place in range(number)]


@pytest.fixture
def traffic(engine: Engine) -> Engine:
    """Thirty who opted out by 21610, of whom ten had received before, and thirty who were off for a day (30003)."""
    messages = []
    for place, name in enumerate(people("1", 30)):
        messages += [sent(name, 20, "failed", "21610"), sent(name, 10, "failed", "21610")]
        messages += [sent(name, 30, "delivered")] if place < 10 else []
        messages += [sent(name, 5, "delivered", channel="whatsapp")]
    for name in people("2", 30):
        messages += [sent(name, 20, "undeliverable", "30003"), sent(name, 10, "delivered")]
    store(engine, *messages)
    return engine


@pytest.fixture
def make(engine: Engine, redis: Redis, redis_server: RedisServer) -> MakeChore:  # noqa: ARG001
    def make_chore(*opt_out_failures: str, **more: Any) -> FailureCodesChore:
        return FailureCodesChore(
            database_url=engine.url,
            redis=RedisSettings(url=redis_server.url, verify_tls=True),
            options=ParseOptions(default_region="AO", opt_out_failures=frozenset(opt_out_failures)),
            **{"is_stop_asked": lambda: False, "sleep": lambda _seconds: None} | more,
        )

    return make_chore


def latest(engine: Engine, already: frozenset[str] = NONE) -> CountedFailures | None:
    with engine.connect() as connection:
        return latest_count(connection, already)


def test_a_code_after_which_nobody_receives_again_is_proposed_with_its_numbers(
    traffic: Engine, make: MakeChore
) -> None:
    before = datetime.now(UTC)
    make("103").take_turn()
    latest_count = latest(traffic)
    assert latest_count is not None
    assert before <= latest_count.counted_at <= datetime.now(UTC)
    assert (latest_count.counted_at - latest_count.since, latest_count.counted_at - latest_count.until) == (WINDOW, DAY)
    (proposal,) = latest_count.proposed
    assert (proposal.counted.channel, proposal.counted.entry) == ("sms", "21610")
    assert (proposal.counted.addresses, proposal.counted.never_again, proposal.counted.received_before) == (30, 30, 10)
    assert (proposal.others, proposal.others_never_again) == (30, 0)
    assert latest_count.line == "ZEXA_OPT_OUT_FAILURES=103,21610"
    assert {code.counted.entry for code in latest_count.codes} == {"21610", "30003"}
    assert rows(traffic, "opt_outs") == []  # it only proposes


def test_the_report_of_failures_says_what_is_proposed(
    traffic: Engine, make: MakeChore, redis: Redis, request: pytest.FixtureRequest
) -> None:
    make("103").take_turn()
    assert traffic
    redis.flushdb()
    command_line: Callable[..., Result] = request.getfixturevalue("command_line")
    printed = command_line("report", "failures").stdout
    assert (
        "21610 (sms) looks like an opt-out: of 30 addresses that were tried again 30 never received again." in printed
    )
    assert "set ZEXA_OPT_OUT_FAILURES=103,21610 and run" in printed
    assert "looks like" not in command_line("report", "failures", env={"ZEXA_OPT_OUT_FAILURES": "21610"}).stdout
    assert "looks like" not in command_line("report", "failures", "--json").stdout


def test_what_is_set_by_now_is_no_proposal(traffic: Engine, make: MakeChore) -> None:
    make().take_turn()
    latest_count = latest(traffic, frozenset({"21610"}))
    assert latest_count is not None
    assert (latest_count.proposed, latest_count.line) == ([], "")


def test_a_count_replaces_the_one_before_and_is_made_once_an_hour_in_the_installation(
    traffic: Engine, make: MakeChore, redis: Redis
) -> None:
    first, second = make(), make()
    first.take_turn()
    earlier = latest(traffic)
    second.take_turn()
    assert latest(traffic) == earlier
    assert CHORE_SECONDS - 60 < redis.ttl(LOCK_KEY) <= CHORE_SECONDS
    redis.delete(LOCK_KEY)
    store(traffic, *(sent(name, 1.5, "delivered") for name in people("1", 30)))
    second.take_turn()
    later = latest(traffic)
    assert later is not None
    assert earlier is not None
    assert later.counted_at > earlier.counted_at
    assert later.proposed == []


def test_failures_are_walked_in_slices_and_none_is_missed_or_counted_twice(
    traffic: Engine, make: MakeChore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make().take_turn()
    whole = latest(traffic)
    make_anew = make()
    for size in (1, 7):
        monkeypatch.setattr(count, "FAILURES_PER_SLICE", size)
        make_anew.count(endless())
        latest_count = latest(traffic)
        assert latest_count is not None
        assert whole is not None
        assert latest_count.codes == whole.codes


def endless() -> Any:
    class Pace:
        begun = 0.0

        def may_go_on(self) -> bool:
            return True

    return Pace()


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(chore.time, "monotonic", clock.monotonic)
    return clock


def test_it_waits_while_jobs_wait_and_gives_up_in_time(
    traffic: Engine, make: MakeChore, redis: Redis, clock: Clock
) -> None:
    redis.rpush(f"rq:queue:{QUEUE_NAME}", "a job")
    with capture_logs() as logs:
        make(sleep=clock.sleep).take_turn()
    assert COUNT_SECONDS < clock.seconds - 1000 < COUNT_SECONDS + 2
    assert [line["event"] for line in logs] == ["failure_codes.put_off"]
    assert latest(traffic) is None
    redis.delete(LOCK_KEY)

    def sleep_until_it_is_taken(seconds: float) -> None:
        clock.sleep(seconds)
        redis.delete(f"rq:queue:{QUEUE_NAME}")

    make(sleep=sleep_until_it_is_taken).take_turn()
    assert latest(traffic) is not None


def test_it_rests_several_times_as_long_as_each_slice_took(
    traffic: Engine, make: MakeChore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "FAILURES_PER_SLICE", 30)
    read = count.failures_slice

    def read_slowly(*arguments: Any) -> Any:
        clock.seconds += 2
        return read(*arguments)

    monkeypatch.setattr(count, "failures_slice", read_slowly)
    make(sleep=clock.sleep).take_turn()
    assert clock.slept == [0, *[2 * REST_FACTOR] * 3]  # ninety failures, and a look whether more come
    assert latest(traffic) is not None


def test_a_worker_that_is_asked_to_stop_stores_nothing(traffic: Engine, make: MakeChore) -> None:
    make(is_stop_asked=lambda: True).take_turn()
    assert latest(traffic) is None


def test_a_count_that_takes_too_long_says_until_when_it_reaches(
    traffic: Engine, make: MakeChore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "FAILURES_PER_SLICE", 40)
    make(sleep=lambda _seconds: clock.sleep(COUNT_SECONDS * 0.6)).take_turn()
    latest_count = latest(traffic)
    assert latest_count is not None
    assert abs((latest_count.counted_at - latest_count.until) - 20 * DAY) < DAY / 24


def test_a_count_that_the_database_ends_is_told(
    traffic: Engine, make: MakeChore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter((False, True))

    def end(*_arguments: object, **_options: object) -> None:
        with traffic.connect() as connection:
            connection.execute(text("SELECT no_such_column FROM message_status"))

    monkeypatch.setattr(chore, "count_failures", end)
    with capture_logs() as logs:
        make(is_stop_asked=lambda: next(asked)).run()
    assert [(line["event"], line["log_level"]) for line in logs] == [("failure_codes.failed", "error")]
    assert latest(traffic) is None


def test_without_redis_nobody_counts(traffic: Engine) -> None:
    FailureCodesChore(
        database_url=traffic.url,
        redis=RedisSettings(url="redis://127.0.0.1:1/0", verify_tls=True),
        options=ParseOptions(default_region="AO"),
        is_stop_asked=lambda: False,
    ).take_turn()
    assert latest(traffic) is None
