"""What Sentry is sent by the Procfile's own processes, and what it is never sent."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import URL, Engine

from sync import __version__
from sync.devtools.dev.embedded import free_port
from sync.settings.sentry import read_sentry_dsn
from tests.support.events_builder import ANA
from tests.support.processes import SECRET, Platform, wait_for
from tests.support.sentry_server import SentryServer, sentry_server

BODY = json.dumps(
    {
        "event": "message.delivered",
        "timestamp": "2026-06-24T10:05:00Z",
        "data": {"message_id": "msg_1", "channel": "sms", "to": ANA},
    }
).encode()


@pytest.fixture
def sentry() -> Iterator[SentryServer]:
    with sentry_server() as server:
        yield server


def require_nothing_private(sentry: SentryServer, *private: str) -> None:
    for envelope in sentry.envelopes:
        for text in (ANA, ANA.lstrip("+"), SECRET, "msg_1", "key@", *private):
            assert text not in envelope
    for event in sentry.events:
        assert event.keys().isdisjoint({"request", "breadcrumbs", "extra", "modules", "user", "logentry"})
        assert event["contexts"].keys() <= {"runtime", "trace"}
        for frame in frames(event):
            assert frame.keys() <= {"filename", "abs_path", "function", "module", "lineno", "in_app"}


def frames(event: dict[str, Any]) -> list[dict[str, Any]]:
    exceptions = event.get("exception", {}).get("values", [])
    return [frame for exception in exceptions for frame in exception["stacktrace"]["frames"]]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_batch_that_fails_is_sent_with_its_place_and_no_word_of_it(
    migrated_platform: Platform, engine: Engine, migrated_url: URL, sentry: SentryServer
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no %% here', NEW.recipient; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER own BEFORE INSERT ON message_status FOR EACH ROW EXECUTE FUNCTION own()"
        )
    migrated_platform.start_web(SENTRY_DSN=sentry.dsn)
    migrated_platform.start_worker(SENTRY_DSN=sentry.dsn)
    assert migrated_platform.deliver(BODY) == 200
    wait_for(lambda: len(sentry.events) == 2, seconds=30, what="both events")
    assert sentry.messages == [
        "batch.failed: RaiseException, SQLSTATE P0001",
        "batch.held: RaiseException, SQLSTATE P0001",
    ]
    assert [event["fingerprint"] for event in sentry.events] == [["batch.failed"], ["batch.held"]]
    assert {event["tags"]["source"] for event in sentry.events} == {"queue"}
    assert all("sync.store.apply" in {frame["module"] for frame in frames(event)} for event in sentry.events)
    require_nothing_private(sentry, str(migrated_url.database))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_absent_store_is_one_event_of_each_process_not_one_each_second(
    migrated_platform: Platform, sentry: SentryServer
) -> None:
    away = {"REDIS_URL": f"redis://:hunter2@127.0.0.1:{free_port()}", "SENTRY_DSN": sentry.dsn}
    migrated_platform.start_web(**away)
    migrated_platform.start("worker", **away)
    wait_for(lambda: _delivered(migrated_platform) and len(sentry.events) >= 2, seconds=60, what="both events")
    for _ in range(30):
        assert _delivered(migrated_platform)
        time.sleep(0.1)
    migrated_platform.stop_all()
    assert [message.partition(":")[0] for message in sentry.messages] == ["redis.away", "redis.away"]
    assert {event["release"] for event in sentry.events} == {f"zexa-sync@{__version__}"}
    require_nothing_private(sentry, "hunter2")


def _delivered(platform: Platform) -> bool:
    return platform.deliver(BODY) == 200


CRASH = """
import sys
from sync.settings.sentry_client import report, start_sentry
start_sentry(sys.argv[1], "7.8.9")
for _ in range(3):
    report("redis.away", "ConnectionError")
try:
    raise ValueError("+244912345678")
except ValueError as error:
    raise KeyError("+244912345678") from error
"""


def test_a_process_that_ends_by_a_mistake_says_which_and_quotes_nothing(sentry: SentryServer) -> None:
    ended = subprocess.run([sys.executable, "-c", CRASH, sentry.dsn], check=False, capture_output=True, timeout=30)
    assert ended.returncode == 1
    away, crash = sentry.events
    assert away["message"] == "redis.away: ConnectionError"
    assert (away["release"], crash["release"]) == ("zexa-sync@7.8.9",) * 2
    assert [(each["type"], each["value"]) for each in crash["exception"]["values"]] == [
        ("ValueError", ""),
        ("KeyError", ""),
    ]
    require_nothing_private(sentry, "244912345678")


def test_a_sentry_that_does_not_answer_holds_up_nobody() -> None:
    begun = time.monotonic()
    dsn = f"http://key@127.0.0.1:{free_port()}/7"
    result = subprocess.run([sys.executable, "-c", CRASH, dsn], check=False, capture_output=True, text=True, timeout=30)
    assert time.monotonic() - begun < 20
    assert "entry" not in result.stdout + result.stderr.partition("Traceback")[0]


def test_the_sdk_is_not_loaded_unless_there_is_a_dsn() -> None:
    code = (
        "import sys, receiver.app, receiver.api.endpoint, sync.worker.run; "
        "from sync.settings.sentry_client import report, start_sentry; "
        f"start_sentry({read_sentry_dsn({'SENTRY_DSN': ' '})!r}, '7.8.9'); report('batch.held', 'KeyError'); "
        "print([name for name in sys.modules if name.startswith('sentry_sdk')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
