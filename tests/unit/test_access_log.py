"""Which requests have a line in the log of the web process, and what it says."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from receiver.access_log import SLOW, Logger
from receiver.requests import PATH

ID = "0b0d4b1e-3f5c-4c8e-9c51-6c4d3a2b1f00"


def line_of(
    capsys: pytest.CaptureFixture[str],
    *,
    status: str = "200 OK",
    path: str = PATH,
    method: str = "POST",
    seconds: float = 0.004,
) -> dict[str, Any] | None:
    """What is logged of a request, None if nothing is."""
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_X_REQUEST_ID": ID}
    Logger(Config()).access(SimpleNamespace(status=status), None, environ, timedelta(seconds=seconds))
    said = capsys.readouterr().out
    line: dict[str, Any] | None = json.loads(said) if said else None
    return line


def test_a_delivery_that_is_accepted_in_time_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert line_of(capsys) is None


@pytest.mark.parametrize("status", ["403 Forbidden", "405 Method Not Allowed", "413 Content Too Large", "503 -"])
def test_a_delivery_that_is_not_accepted_has_a_line(capsys: pytest.CaptureFixture[str], status: str) -> None:
    line = line_of(capsys, status=status)
    assert line is not None
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "method": "POST",
        "path": PATH,
        "status": int(status[:3]),
        "milliseconds": 4.0,
        "request_id": ID,
    }


def test_a_delivery_that_is_accepted_late_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(capsys, seconds=SLOW.total_seconds())
    assert line is not None
    assert (line["status"], line["milliseconds"]) == (200, 1000.0)


def test_a_slash_at_the_end_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert line_of(capsys, path=f"{PATH}/") is None
    assert line_of(capsys, path=f"{PATH}/", status="403 Forbidden") is not None


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
