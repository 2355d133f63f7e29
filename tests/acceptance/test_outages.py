"""Outages of the Procfile's own processes: named in time, with every id whose status was lost, and nothing else."""

import asyncio
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import yarl
from click.testing import CliRunner
from sqlalchemy import URL, Engine, select, text

from models.database import open_database
from models.tables import MESSAGES
from sync.cli import main
from sync.devtools.dev.embedded import free_port, private_redis
from sync.devtools.simulate.counts import SendCounts
from sync.devtools.simulate.sender import RETRY_SECONDS, Plan, Sender
from tests.support.events_builder import body
from tests.support.processes import SECRET, Platform, platform, preset, wait_for
from tests.support.redis_servers import DEFAULT_SERVER, server_binary

NAMED_SECONDS = 15
# A command takes a good part of a processor if it is asked again and again.
COMMAND_PAUSE_SECONDS = 0.3
# Zexa's 36 minutes are 10.8 seconds, and an outage of 53 minutes is one of 16 seconds.
SCALE = 1 / 200
AWAY_SECONDS = 16
MESSAGES_PER_SECOND = 25

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def outages(house: Platform, *options: str) -> Any:
    environ = {name: house.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    result = CliRunner().invoke(main, ["outages", "--json", *options], env=environ)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def moment(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


def kill(web: subprocess.Popen[bytes]) -> None:
    """Kill gunicorn and its processes, as a machine that dies does."""
    for process in (psutil.Process(web.pid), *psutil.Process(web.pid).children()):
        process.kill()
    web.wait()


class Traffic:
    """A provider that sends one message after another with scaled retries, and what the customer knows of them."""

    def __init__(self, port: int) -> None:
        self.sent_at: dict[str, datetime] = {}
        self.is_enough = False
        self.counts = SendCounts()
        self._plan = Plan(
            url=yarl.URL(f"http://127.0.0.1:{port}/webhooks/zexa"),
            secret=SECRET.encode(),
            rate_per_second=MESSAGES_PER_SECOND,
            retry_seconds=tuple(pause * SCALE for pause in RETRY_SECONDS),
        )
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def finish(self) -> None:
        """Send no new message, and wait until the last one was accepted or given up."""
        self.is_enough = True
        self._thread.join()

    def write(self, file: Path) -> None:
        rows = [f"{message_id};{at.isoformat()}" for message_id, at in self.sent_at.items()]
        file.write_text("\n".join(["message_id;sent_at", *rows]))

    def _send(self) -> None:
        asyncio.run(Sender(self._plan, self._bodies(), self.counts).send())

    def _bodies(self) -> Iterator[bytes]:
        while not self.is_enough:
            message_id, now = f"msg_{len(self.sent_at)}", datetime.now(UTC)
            self.sent_at[message_id] = now
            yield body("message.delivered", now, message_id=message_id, channel="sms", to="+244912345678")


@on_postgresql
def test_every_status_that_an_outage_cost_is_of_an_id_that_is_named_and_few_others_are(
    migrated_platform: Platform, reader: Engine, tmp_path: Path
) -> None:
    web = migrated_platform.start_web()
    migrated_platform.start_worker()
    traffic = Traffic(migrated_platform.port)
    wait_for(lambda: traffic.counts.accepted > 20, seconds=20, what="deliveries")
    killed_at = time.time()
    kill(web)
    (outage,) = wait_for(
        lambda: outages(migrated_platform)["outages"],
        seconds=NAMED_SECONDS,
        what="a named outage",
        pause_seconds=COMMAND_PAUSE_SECONDS,
    )
    assert outage["ended_at"] is None
    assert 0 <= killed_at - moment(outage["began_at"]) < 10
    time.sleep(max(0.0, killed_at + AWAY_SECONDS - time.time()))
    started_at = time.time()
    migrated_platform.start_web()
    back_at = time.time()
    ended = wait_for(
        lambda: outages(migrated_platform)["outages"][0]["ended_at"],
        seconds=NAMED_SECONDS,
        what="its end",
        pause_seconds=COMMAND_PAUSE_SECONDS,
    )
    traffic.finish()
    assert started_at < moment(ended) < back_at + 5

    def lost() -> set[str]:
        with reader.connect() as connection:
            return set(traffic.sent_at) - set(connection.execute(select(MESSAGES.c.message_id)).scalars())

    wait_for(lambda: len(lost()) == traffic.counts.given_up, seconds=30, what="every accepted event applied")
    assert traffic.counts.given_up > MESSAGES_PER_SECOND
    traffic.write(tmp_path / "sent.csv")
    retries = ",".join(f"{pause * SCALE}s" for pause in RETRY_SECONDS)
    document = outages(migrated_platform, "--ids", str(tmp_path / "sent.csv"), "--retries", retries)
    named = set(document["ids"]["without_status"])
    assert lost() <= named
    assert len(named) <= 2 * len(lost())
    (outage,) = document["outages"]
    assert (outage["number"], outage["kind"]) == (1, "no_process")
    ((window,),) = [outage["lost_first_tried"]]
    within = [
        at for at in traffic.sent_at.values() if moment(window["from"]) < at.timestamp() < moment(window["until"])
    ]
    assert len(lost()) / 2 <= len(within) <= 2 * len(lost())


class Quick(NamedTuple):
    platform: Platform
    redis: subprocess.Popen[bytes]


@pytest.fixture
def quick(tmp_path: Path, migrated_url: URL) -> Iterator[Quick]:
    """A platform on a Redis of its own, with marks ten times as often and outages a third as long."""
    marks = "sync.provider.outages.marks"
    path = preset(tmp_path, f"{marks}.BEAT_SECONDS = 0.4", f"{marks}.GAP_SECONDS = 4.0")
    redis = private_redis(tmp_path / "redis", is_durable=False, binary=server_binary(DEFAULT_SERVER))
    with redis as server, platform(tmp_path / "logs", migrated_url, server.url, forks=True, PYTHONPATH=path) as started:
        yield Quick(started, server.process)


def recorded(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT began_at, ended_at, kind FROM outages ORDER BY id")).all())


@on_postgresql
def test_processes_that_restart_one_after_another_are_no_outage_and_all_of_them_stopped_are(
    quick: Quick, reader: Engine
) -> None:
    house, other = quick.platform, str(free_port())
    first = house.start_web()
    second = house.start("web", PORT=other)
    wait_for(lambda: "Listening at" in house.log_of(second), seconds=30, what="the second web process")
    time.sleep(1)
    first.send_signal(signal.SIGTERM)
    first.wait(30)
    time.sleep(5)
    third = house.start_web()
    second.send_signal(signal.SIGTERM)
    second.wait(30)
    assert recorded(reader) == []
    stand_still(third, seconds=5)
    (outage,) = wait_for(lambda: recorded(reader), seconds=10, what="the outage of a process that stood still")
    assert outage.kind == "no_process"


def stand_still(web: subprocess.Popen[bytes], *, seconds: float) -> None:
    (child,) = psutil.Process(web.pid).children()
    child.suspend()
    time.sleep(seconds)
    child.resume()


@on_sqlite
def test_with_both_stores_away_every_answer_is_503_and_the_outage_is_recorded_once_one_is_back(
    quick: Quick, migrated_url: URL, reader: Engine
) -> None:
    house = quick.platform
    house.start_web()
    delivery = body("message.delivered", datetime.now(UTC), message_id="msg_1", to="+244912345678")
    assert house.deliver(delivery) == 200
    quick.redis.kill()
    time.sleep(5)
    assert house.deliver(delivery) == 200  # into the inbox: Redis away alone is no outage
    assert recorded(reader) == []
    with locked(migrated_url):
        until = time.monotonic() + 6
        while time.monotonic() < until:
            assert house.deliver(delivery) == 503
    (outage,) = wait_for(lambda: recorded(reader), seconds=10, what="a recorded outage")
    assert outage.kind == "no_store"
    began, ended = (datetime.fromisoformat(time_) for time_ in (outage.began_at, outage.ended_at))
    assert 5 < (ended - began).total_seconds() < 14


@contextmanager
def locked(url: URL) -> Iterator[None]:
    other = open_database(url)
    with other.begin() as connection:
        connection.execute(text("SELECT 1"))
        yield
    other.dispose()
