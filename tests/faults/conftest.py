"""A platform on servers of a test's own, and a table of what became of every fault at the end of the run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from sqlalchemy import URL

from models.database import open_database
from tests.conftest import migrate
from tests.faults.databases import OwnPostgres, own_postgres
from tests.faults.servers import OwnRedis, steady_port
from tests.faults.trial import Trial
from tests.support.processes import platform


@pytest.fixture(scope="session")
def databases_folder() -> Iterator[Path]:
    """A folder on a disk: here commits wait for it."""
    with TemporaryDirectory(prefix="zexa-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path / "redis")
    server.start()
    yield server
    server.close()


@pytest.fixture
def postgres() -> Iterator[OwnPostgres]:
    """A PostgreSQL with an empty database for this test in it."""
    with own_postgres() as server:
        migrate(server.url)
        yield server


@pytest.fixture
def trial(
    tmp_path: Path, migrated_url: URL, own_redis: OwnRedis, record_property: Callable[[str, Any], None]
) -> Iterator[Trial]:
    """A database of each kind that is left alone, and a Redis that is not. Nothing runs yet."""
    yield from _trial(tmp_path, migrated_url, own_redis, record_property)


@pytest.fixture
def postgres_trial(
    tmp_path: Path, postgres: OwnPostgres, own_redis: OwnRedis, record_property: Callable[[str, Any], None]
) -> Iterator[Trial]:
    """A PostgreSQL and a Redis to be hurt. Nothing runs yet."""
    yield from _trial(tmp_path, postgres.url, own_redis, record_property)


def _trial(folder: Path, url: URL, redis: OwnRedis, record_property: Callable[[str, Any], None]) -> Iterator[Trial]:
    port = steady_port()
    reader = open_database(url, is_read_only=True)
    with platform(folder / "logs", url, redis.url, PORT=str(port)) as hosted:
        hosted.port = port
        yield Trial(platform=hosted, redis=redis, reader=reader, record=record_property)
    reader.dispose()


COLUMNS = {
    "fault": "{fault}",
    "database": "{database}",
    "events acknowledged": "{acknowledged:,}",
    "missing": "{missing:,}",
    "too many": "{too_many:,}",
    "differing": "{differing:,}",
    "redelivered": "{redelivered:,}",
    "events/s": "{per_second:,.0f}",
    "longest answer": "{answer_seconds_max:.2f} s",
    "recovered after": "{recovery_seconds:.1f} s",
}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for outcome in terminalreporter.stats.values() for report in outcome]
    outcomes = {
        report.nodeid: outcome
        for report in reports
        for name, outcome in getattr(report, "user_properties", [])
        if name == "fault"
    }
    if not outcomes:
        return
    shown = Table(*COLUMNS)
    for _, outcome in sorted(outcomes.items()):
        shown.add_row(*(form.format(**outcome) for form in COLUMNS.values()))
    terminalreporter.section("faults")
    with (console := Console(width=180)).capture() as captured:
        console.print(shown)
    terminalreporter.write(captured.get())
