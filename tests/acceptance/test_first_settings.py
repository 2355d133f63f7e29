"""Settings as a newcomer gives them: what is empty counts as unset, what is wrong ends each process in one line."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from sync.devtools.dev.embedded import RedisServer
from tests.support.processes import ROOT, SECRET, Platform, platform, wait_for

EMPTY = dict.fromkeys(re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE), "")
NEEDED = ("DATABASE_URL", "REDIS_URL", "ZEXA_WEBHOOK_SECRET", "PORT")


@pytest.fixture
def filled_in(tmp_path: Path, migrated_file: Path, redis_server: RedisServer, forks: bool) -> Iterator[Platform]:
    """What there is after .env.example was copied, what has no default filled in, and sourced."""
    url = make_url(f"sqlite:///{tmp_path}/zexa.db")
    shutil.copyfile(migrated_file, tmp_path / "zexa.db")
    with platform(tmp_path / "logs", url, redis_server.url, forks=forks) as started:
        started.environ |= {name: "" for name in EMPTY if name not in NEEDED}
        yield started


@pytest.mark.executed
def test_the_example_followed_to_the_letter_works(filled_in: Platform) -> None:
    assert {"WEB_CONCURRENCY", "ZEXA_BIND", "ZEXA_JOURNAL"} <= EMPTY.keys()
    assert filled_in.environ["WEB_CONCURRENCY"] == ""
    filled_in.start_web()
    filled_in.start_worker()
    assert filled_in.deliver(b"{}") == 200


def test_an_empty_port_is_the_default_one(filled_in: Platform) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8000))
        except OSError:
            pytest.skip("port 8000 is taken on this machine")
    filled_in.port = 8000
    web = filled_in.start("web", PORT="")
    wait_for(lambda: filled_in.is_serving(web), seconds=20, what="web serving on it")
    assert "Listening at: http://127.0.0.1:8000" in filled_in.log_of(web)


@pytest.mark.parametrize("name", ["release", "web", "worker"])
@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("ZEXA_WEBHOOK_SECERT", SECRET, "did you mean ZEXA_WEBHOOK_SECRET?"),
        ("REDIS_URL", "rediss://localhost?ssl_cert_reqs=none", "REDIS_TLS_VERIFY=false"),
        ("ZEXA_WEBHOOK_SECRET", " ,b", "ZEXA_WEBHOOK_SECRET has an empty entry"),
        ("WEB_CONCURRENCY", "two", "WEB_CONCURRENCY is not a whole number"),
        ("ZEXA_BIND", "everywhere", "ZEXA_BIND is not an address"),
    ],
)
def test_a_wrong_setting_ends_each_process_that_reads_it_in_one_line(
    filled_in: Platform, name: str, setting: str, value: str, sentence: str
) -> None:
    readers = {"ZEXA_WEBHOOK_SECERT": {"release", "web", "worker"}, "REDIS_URL": {"web", "worker"}}
    if name not in readers.get(setting, {"web"}):
        return
    status, log = filled_in.run(name, **{setting: value})
    assert status != 0
    assert sentence in log
    assert log.count("\n") == 1
    assert SECRET not in log


def test_help_is_given_whatever_the_settings() -> None:
    command = [sys.executable, "-m", "sync", "opt-outs", "check", "--help"]
    shown = subprocess.run(command, cwd=ROOT, env=os.environ | {"ZEXA_SECERT": "x"}, capture_output=True, check=True)
    assert shown.stdout.startswith(b"Usage: ")


def test_ctrl_c_that_reaches_gunicorn_alone_ends_web_at_once_and_without_a_traceback(
    filled_in: Platform,
) -> None:
    web = filled_in.start_web()
    web.send_signal(signal.SIGINT)
    assert web.wait(10) == 0  # it would be killed after 15 s
    assert "Finished server process" in filled_in.log_of(web)  # the one that serves ends once it has answered
    assert "Traceback" not in filled_in.log_of(web)
    assert "SystemExit" not in filled_in.log_of(web)


def test_the_launcher_says_how_it_is_used() -> None:
    for arguments in ([], ["no-such-program"]):
        command = [sys.executable, "-m", "receiver", *arguments]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert "python -m receiver gunicorn" in ended.stderr
    assert shlex.split((ROOT / "Procfile").read_text().splitlines()[1])[1:5] == ["python", "-m", "receiver", "gunicorn"]
