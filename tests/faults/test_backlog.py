"""Much to do at once, some of it nothing to be done with, or many hands on the same rows."""

import os
import time
from itertools import islice

import psutil
import pytest

from tests.faults.servers import paused
from tests.faults.traffic import COPY_SHARE, traffic
from tests.faults.trial import HANG_SECONDS, SEED, Trial

IS_FULL = bool(os.environ.get("FAULTS_FULL"))
BACKLOG = 1_000_000 if IS_FULL else 100_000


@pytest.mark.timeout(2 * HANG_SECONDS)
def test_a_backlog_with_a_hundredth_of_poison_is_applied_but_for_the_poison(trial: Trial) -> None:
    trial.enqueue(islice(traffic(SEED, poison_share=0.01), round(BACKLOG * (1 + COPY_SHARE))))
    for _ in range(2):
        trial.platform.start_worker()
    trial.settle(f"backlog of {BACKLOG:,}, 1% poison")


WORKERS, MESSAGES = 8, 1000
GATHERING_SECONDS = 8
TOGETHER_SECONDS = 8


@pytest.mark.timeout(HANG_SECONDS)
def test_eight_workers_on_the_same_messages_leave_the_rows_that_one_would(trial: Trial) -> None:
    trial.platform.start_web()
    # Small batches, so that none of them has all there is.
    workers = [trial.platform.start_worker(ZEXA_BATCH_SIZE="50") for _ in range(WORKERS)]
    with trial.load(traffic(SEED, messages=MESSAGES)) as load:
        with paused([psutil.Process(worker.pid) for worker in workers]):
            time.sleep(GATHERING_SECONDS)
        time.sleep(TOGETHER_SECONDS)
    trial.settle(f"{WORKERS} workers on {MESSAGES:,} messages", load)
    assert load.kinds.keys() == {"200"}, load.kinds
    assert sum("batch.applied" in trial.platform.log_of(worker) for worker in workers) > WORKERS / 2
