"""Which requests have a line in the log of the web process, and what it says."""

import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest

from receiver.server.access_log import SLOW_SECONDS, log_request
from receiver.server.paths import DELIVERY_PATH

ID = "0b0d4b1e-3f5c-4c8e-9c51-6c4d3a2b1f00"


def line_of(
    capsys: pytest.CaptureFixture[str],
    *,
    status: int = 200,
    path: str = DELIVERY_PATH,
    method: str = "POST",
    seconds: float = 0.004,
) -> dict[str, Any] | None:
    """What is logged of a request, None if it is nothing."""
    headers = [(b"x-request-id", ID.encode())]
    scope = {"path": path, "raw_path": path.encode("latin-1"), "method": method, "headers": headers}
    log_request(scope, status, seconds)
    output = capsys.readouterr().out
    line: dict[str, Any] | None = json.loads(output) if output else None
    return line


def test_a_delivery_that_is_accepted_in_time_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert line_of(capsys) is None


@pytest.mark.parametrize("status", [403, 405, 413, 503])
def test_a_delivery_that_is_not_accepted_has_a_line(capsys: pytest.CaptureFixture[str], status: int) -> None:
    line = line_of(capsys, status=status)
    assert line is not None
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": DELIVERY_PATH,
        "status": status,
        "milliseconds": 4.0,
        "request_id": ID,
    }


def test_a_delivery_that_is_accepted_late_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(capsys, seconds=SLOW_SECONDS)
    assert line is not None
    assert (line["status"], line["milliseconds"]) == (200, 1000.0)


def test_a_slash_at_the_end_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert line_of(capsys, path=f"{DELIVERY_PATH}/") is None
    assert line_of(capsys, path=f"{DELIVERY_PATH}/", status=403) is not None


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/webhook/zexa"])
def test_every_other_request_has_a_line_that_names_its_path(capsys: pytest.CaptureFixture[str], path: str) -> None:
    line = line_of(capsys, path=path, method="GET")
    assert line is not None
    assert line["path"] == path


@pytest.mark.parametrize("path", ['/"', "/\\", "/\n", "/\x1b[2J", "/\xff", "/%", "/\x00"])
def test_no_path_breaks_a_line(capsys: pytest.CaptureFixture[str], path: str) -> None:
    line = line_of(capsys, path=path, method="GET")
    assert line is not None
    assert line["path"].isascii()
    assert line["path"].isprintable()


WRITE = """
import structlog
from receiver.server.access_log import log_request
from sync.settings.log_lines import configure_logs
configure_logs()
structlog.get_logger().warning("batch.failed", source="queue", tries=1)
log_request({"path": "/healthz", "method": "GET", "headers": []}, 200, 0.004)
"""


def test_lines_are_readable_on_a_terminal_and_json_elsewhere() -> None:
    piped = subprocess.run([sys.executable, "-c", WRITE], capture_output=True, text=True, check=True).stdout
    assert [json.loads(line)["event"] for line in piped.splitlines()] == ["batch.failed", "request"]

    controller, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", WRITE], stdout=terminal, check=True)
    os.close(terminal)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", os.read(controller, 4096).decode()).splitlines()
    os.close(controller)
    assert re.fullmatch(r"\S+ \[warning  \] batch.failed +source=queue tries=1", shown[0])
    assert re.fullmatch(
        r"\S+ \[info     \] request method=GET path=/healthz status=200 milliseconds=4.0 request_id=\w+", shown[1]
    )
