"""With Redis and the database away the receiver can promise nothing, and says so in time."""

import time
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import URL

from tests.faults.databases import OwnPostgres, locked_file
from tests.faults.trial import HANG_SECONDS, Trial

pytestmark = pytest.mark.timeout(HANG_SECONDS)

AWAY_SECONDS = 10
ANSWER_SECONDS = 5


def test_with_redis_and_postgresql_down_every_delivery_is_refused_in_time(
    postgres_trial: Trial, postgres: OwnPostgres
) -> None:
    run(postgres_trial, postgres.down(), "Redis and PostgreSQL down")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_with_redis_down_and_sqlite_locked_every_delivery_is_refused_in_time(trial: Trial, migrated_url: URL) -> None:
    run(trial, locked_file(migrated_url), "Redis down, SQLite file locked")


def run(trial: Trial, hurt: AbstractContextManager[None], fault: str) -> None:
    trial.platform.start_web()
    trial.platform.start_worker()
    with trial.load() as load, hurt, trial.redis.killed(), load.outage():
        begun_at = time.time()
        time.sleep(AWAY_SECONDS)
        ended_at = time.time()
    trial.settle(f"{fault}, {AWAY_SECONDS} s", load)
    answers = load.between(begun_at, ended_at)
    assert answers
    assert max(answer.seconds for answer in answers) < ANSWER_SECONDS
    assert {answer.kind for answer in answers if answer.begun_at + answer.seconds < ended_at} == {"503"}
    # Once one of the two is back, no delivery is refused for longer than the receiver waits until it tries again.
    assert load.kinds.keys() == {"200", "503"}, load.kinds
