"""PostgreSQL ends, stands still, has no connection left, is locked. Deliveries wait in Redis meanwhile."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import URL

from models.database import BUSY_SECONDS
from tests.faults.databases import OwnPostgres, locked_file, locked_table
from tests.faults.trial import HANG_SECONDS, Trial

pytestmark = pytest.mark.timeout(HANG_SECONDS)

# A transaction that had begun before may still end.
BEGUN_SECONDS = 1

FAULTS: dict[str, tuple[Callable[[OwnPostgres], AbstractContextManager[None]], float]] = {
    "shut down at once": (OwnPostgres.down, 5),
    "paused": (OwnPostgres.paused, 15),
    "without free connections": (OwnPostgres.without_free_connections, 10),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_events_wait_in_redis_while_postgresql_is_away(
    postgres_trial: Trial, postgres: OwnPostgres, fault: str
) -> None:
    hurt, seconds = FAULTS[fault]
    run(postgres_trial, hurt(postgres), f"PostgreSQL {fault}", seconds)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_events_wait_in_redis_while_a_table_is_locked(trial: Trial, migrated_url: URL) -> None:
    run(trial, locked_table(migrated_url, "message_status"), "PostgreSQL table locked", 40)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_events_wait_in_redis_while_the_file_is_locked(trial: Trial, migrated_url: URL) -> None:
    run(trial, locked_file(migrated_url), "SQLite file locked", 40)


def run(trial: Trial, hurt: AbstractContextManager[None], fault: str, seconds: float) -> None:
    trial.platform.start_web()
    trial.platform.start_worker()
    with trial.load() as load, hurt:
        begun_at = time.time()
        time.sleep(seconds)
        ended_at = time.time()
    trial.settle(f"{fault}, {seconds} s", load)
    # A batch says when it began; one that waited for the file when it was freed began at most so long before.
    waited = BUSY_SECONDS + 1 if trial.reader.dialect.name == "sqlite" else 0
    assert trial.count_applied(begun_at + BEGUN_SECONDS, ended_at - waited) == 0
    assert load.kinds.keys() == {"200"}, load.kinds
