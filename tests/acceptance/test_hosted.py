"""On a hosting platform: postgres:// and rediss:// with a self-signed certificate, as its add-ons give them."""

import shlex
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, text

from models.database import open_database
from sync.devtools.dev.embedded import RedisServer
from tests.acceptance.test_main_path import SAMPLE
from tests.support.processes import ROOT, platform, procfile, wait_for
from tests.support.tls import tls_front

on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def count_messages(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM message_status")).scalar_one()


@on_postgres
def test_the_procfile_runs_as_it_is(tmp_path: Path, database_url: URL, redis_server: RedisServer) -> None:
    with (
        tls_front(redis_server.port) as port,
        platform(tmp_path / "logs", database_url, f"rediss://127.0.0.1:{port}/0", DYNO="web.1") as hosted,
    ):
        assert hosted.run("release")[0] == 0
        assert hosted.run("release")[0] == 0
        web, worker = hosted.start_web(WEB_CONCURRENCY="2"), hosted.start_worker()
        assert hosted.deliver(SAMPLE) == 200
        engine = open_database(database_url)
        wait_for(lambda: count_messages(engine) == 1, seconds=10, what="the row")
        engine.dispose()
        for process in (web, worker):
            process.terminate()
        assert [process.wait(30) for process in (web, worker)] == [0, 0]


@on_postgres
def test_a_certificate_is_verified_where_that_is_asked_for(
    tmp_path: Path, migrated_url: URL, redis_server: RedisServer, redis: Redis, engine: Engine
) -> None:
    with (
        tls_front(redis_server.port) as port,
        platform(
            tmp_path / "logs", migrated_url, f"rediss://127.0.0.1:{port}/0", forks=True, REDIS_TLS_VERIFY="true"
        ) as strict,
    ):
        strict.start_web()
        status, _, _ = strict.request("POST", "/webhooks/zexa", b"{}", X_Zexa_Signature="0" * 64)
        assert status == 403
        assert strict.deliver(SAMPLE) == 200
        assert redis.dbsize() == 0
        with engine.connect() as connection:
            assert connection.execute(text("SELECT body FROM inbox")).scalar_one() == SAMPLE


@on_postgres
def test_sqlite_is_refused_on_a_dyno(tmp_path: Path, database_url: URL, redis_server: RedisServer) -> None:
    with platform(tmp_path / "logs", database_url, redis_server.url, forks=True, DYNO="web.1") as hosted:
        for name in ("release", "web", "worker"):
            status, output = hosted.run(name, DATABASE_URL="sqlite:///zexa.db")
            assert status != 0
            assert output.count("\n") == 1
            assert "DATABASE_URL" in output


def test_the_procfile_names_the_processes_the_platform_knows() -> None:
    assert set(procfile()) == {"release", "web", "worker"}
    assert all(shlex.split(command) for command in procfile().values())
    assert (ROOT / ".python-version").read_text() == "3.11\n"
