"""A database that is not there ends a start with one line; one that is away is waited for."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from sync.devtools.dev.embedded import RedisServer, free_port
from tests.support.processes import platform, wait_for

PASSWORD = "opensesame"


@pytest.mark.parametrize("process", ["release", "web", "worker"])
def test_a_database_that_does_not_exist_ends_every_start_with_one_line(
    process: str, postgres_server: URL, redis_server: RedisServer, tmp_path: Path
) -> None:
    with platform(tmp_path, postgres_server.set(database="nowhere"), redis_server.url, forks=True) as started:
        status, output = started.run(process)
    assert status != 0
    lines = [line for line in output.splitlines() if "gunicorn" not in line and "INFO" not in line]
    assert len(lines) == 1, output
    assert 'database "nowhere" does not exist' in lines[0]
    assert "Traceback" not in output


@pytest.mark.parametrize("process", ["release", "worker"])
def test_a_server_that_refuses_is_waited_for_and_the_reason_is_told_once(
    process: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    away = URL.create("postgresql+psycopg", "zexa", PASSWORD, "127.0.0.1", free_port(), "zexa")
    with platform(tmp_path, away, redis_server.url, forks=True) as started:
        waiting = started.start(process)
        wait_for(lambda: "Connection refused" in started.log_of(waiting), seconds=60, what="a reason")
        assert waiting.poll() is None
        waiting.terminate()
        waiting.wait(35)
        log = started.log_of(waiting)
    assert log.count("Connection refused") == 1
    assert PASSWORD not in log
    assert "Traceback" not in log


def test_web_serves_while_the_server_refuses_and_says_why(redis_server: RedisServer, tmp_path: Path) -> None:
    away = URL.create("postgresql+psycopg", "zexa", PASSWORD, "127.0.0.1", free_port(), "zexa")
    with platform(tmp_path, away, redis_server.url, forks=True) as started:
        started.start_web()
        assert started.request("GET", "/healthz")[0] == 200
        log = started.logs()
    assert "Connection refused" in log
    assert PASSWORD not in log
