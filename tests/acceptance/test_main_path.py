"""HTTP in, rows out, through the Procfile's own processes."""

import json
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, text

from models.database import open_database
from sync.queue.connection import open_queue
from tests.support.processes import Platform, preset, wait_for
from tests.support.redis_servers import SERVERS

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SAMPLE = (Path(__file__).parent / "sample.json").read_bytes()
# How the line begins with which a process ends.
SPEAKERS = {"web": "zexa-sync: ", "worker": "Error: "}


def delivered(message_id: str) -> bytes:
    return json.dumps(
        {"event": "message.delivered", "timestamp": "2026-06-24T10:05:00Z", "data": {"message_id": message_id}}
    ).encode()


def opted_out(address: str) -> bytes:
    return json.dumps(
        {
            "event": "message.optout",
            "timestamp": "2026-06-24T10:06:00Z",
            "data": {"message_id": "msg_1", "channel": "sms", "to": address},
        }
    ).encode()


@pytest.mark.executed
@pytest.mark.parametrize(
    ("database_url", "redis_server"), [("postgresql", SERVERS[0]), ("sqlite", SERVERS[-1])], indirect=True
)
def test_from_an_empty_database_the_documented_sample_is_a_row_within_a_second_of_its_answer(
    fresh_platform: Platform, database_url: URL
) -> None:
    status, output = fresh_platform.run("release")
    assert status == 0, output
    fresh_platform.start_web()
    status, _, body = fresh_platform.request("GET", "/readyz")
    assert (status, json.loads(body)) == (200, {"redis": True, "database": True, "schema": True})
    fresh_platform.start_worker()
    engine = open_database(database_url, is_read_only=True)

    assert fresh_platform.deliver(SAMPLE) == 200

    def row() -> object:
        with engine.connect() as connection:
            return connection.execute(text("SELECT channel, recipient, status FROM message_status")).one_or_none()

    assert wait_for(row, seconds=1, what="the row") == ("sms", "+244912345678", "delivered")
    engine.dispose()


@on_sqlite
@pytest.mark.every_redis
def test_an_opt_out_is_taken_before_all_that_waits(migrated_platform: Platform, redis: Redis) -> None:
    migrated_platform.start_web()
    for number in range(3):
        assert migrated_platform.deliver(delivered(f"msg_{number}")) == 200
    assert migrated_platform.deliver(opted_out("+244912345678")) == 200
    jobs = open_queue(redis).get_jobs()
    assert ["message.optout" in json.dumps(job.args) for job in jobs] == [True, False, False, False]


@on_sqlite
def test_the_log_of_the_web_process_tells_of_refusals_and_not_of_every_acceptance(migrated_platform: Platform) -> None:
    web = migrated_platform.start_web()
    assert migrated_platform.deliver(SAMPLE) == 200
    assert migrated_platform.deliver(SAMPLE, secret="another") == 403
    # A line is written once its answer is sent, each in its turn.
    wait_for(
        lambda: '"status": 403, "milli' in migrated_platform.log_of(web), seconds=10, what="the line of the refusal"
    )
    lines = [json.loads(line) for line in migrated_platform.log_of(web).splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request" and line["path"] != "/healthz"]
    assert [(line["path"], line["status"]) for line in requests] == [("/webhooks/zexa", 403)]
    assert [line["reason"] for line in lines if line["event"] == "delivery.refused"] == ["wrong"]


def test_no_address_body_or_secret_stands_in_a_log_or_in_a_job_description(
    migrated_platform: Platform, redis: Redis, engine: Engine
) -> None:
    migrated_platform.start_web()
    assert migrated_platform.deliver(SAMPLE) == 200
    assert migrated_platform.deliver(opted_out("+244912345678")) == 200
    assert migrated_platform.deliver(b'{"event": "message.optout", "data": {"from": "+244912345678"}}') == 200
    # A dead letter, whose text names the person that its fields do not.
    nameless = b'{"event": "message.optout", "data": {"from": "30300", "text": "STOP, says +244912345678"}}'
    assert migrated_platform.deliver(nameless) == 200
    assert migrated_platform.request("POST", "/webhooks/zexa", SAMPLE, X_Zexa_Signature="244912345678")[0] == 403
    assert migrated_platform.request("GET", "/check/244912345678?to=244912345678")[0] == 404
    assert [job.description for job in open_queue(redis).get_jobs()] == ["1 raw event(s)"] * 4
    migrated_platform.start_worker()

    def dead_letters() -> object:
        with engine.connect() as connection:
            return connection.execute(text("SELECT reason, error FROM dead_letters")).all()

    assert wait_for(dead_letters, seconds=10, what="the dead letter") == [
        ("no_subject", "the opt-out names neither a message nor an address")
    ]
    wait_for(lambda: open_queue(redis).is_empty(), seconds=10, what="the queue draining")
    migrated_platform.stop_all()
    logs = migrated_platform.logs()
    assert "batch.applied" in logs
    assert "delivery.refused" in logs
    assert "244912345678" not in logs
    assert "msg_" not in logs


@on_sqlite
def test_web_and_worker_refuse_a_schema_that_stays_behind_with_one_line(
    fresh_platform: Platform, tmp_path: Path
) -> None:
    # They wait for a minute otherwise.
    path = preset(tmp_path, "models.schema.SCHEMA_SECONDS = 1.0")
    processes = {name: fresh_platform.start(name, PYTHONPATH=path) for name in SPEAKERS}
    for name, process in processes.items():
        assert process.wait(60) == 1
        log = fresh_platform.log_of(process)
        (awaited, refused) = [line for line in log.splitlines() if "run `alembic upgrade head`" in line]
        assert (json.loads(awaited)["event"], json.loads(awaited)["level"]) == ("schema.awaited", "warning")
        assert refused.startswith(SPEAKERS[name] + "the database schema is empty")
        assert "Traceback" not in log
        assert "worker.started" not in log


@on_sqlite
def test_a_missing_secret_stops_the_web_process_with_one_line(migrated_platform: Platform) -> None:
    status, output = migrated_platform.run("web", ZEXA_WEBHOOK_SECRET=" , ")
    assert status != 0
    assert output.count("\n") == 1
    assert "ZEXA_WEBHOOK_SECRET" in output


@on_sqlite
def test_every_secret_of_a_rotation_is_accepted(migrated_platform: Platform) -> None:
    migrated_platform.start_web(ZEXA_WEBHOOK_SECRET="new one, old one")
    assert migrated_platform.deliver(SAMPLE, "new one") == 200
    assert migrated_platform.deliver(SAMPLE, "old one") == 200
    assert migrated_platform.deliver(SAMPLE, "new one, old one") == 403
