"""Prometheus itself takes the alerts, and each fires if it should and only then."""

import subprocess
from pathlib import Path

import pytest

from tests.system.packages import find_command

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.needs("promtool")


def promtool(*arguments: str) -> tuple[int, str]:
    command = find_command("promtool")
    assert command
    process = subprocess.run([command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return process.returncode, process.stdout + process.stderr


def test_prometheus_takes_the_alerts() -> None:
    status, output = promtool("check", "rules", "deploy/prometheus/alerts.yml")
    assert status == 0, output


def test_each_alert_fires_and_is_quiet_as_it_should() -> None:
    status, output = promtool("test", "rules", "tests/system/alerts.yml")
    assert status == 0, output
