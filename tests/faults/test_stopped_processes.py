"""Processes end at any moment, politely or not, and are started again at once."""

import signal
import subprocess
import time
from random import Random

import pytest

from tests.faults.servers import kill_together
from tests.faults.trial import HANG_SECONDS, SEED, Trial

MOMENTS = 20
HOW = [signal.SIGKILL, signal.SIGTERM]
STOP_SECONDS = 30  # then a host kills

pytestmark = pytest.mark.timeout(HANG_SECONDS)


def moments(least: float, most: float) -> list[float]:
    random = Random(SEED)
    return [random.uniform(least, most) for _ in range(MOMENTS)]


@pytest.mark.parametrize("how", HOW)
def test_a_worker_may_end_at_any_moment(trial: Trial, how: signal.Signals) -> None:
    trial.platform.start_web()
    worker = trial.platform.start_worker()
    with trial.load() as load:
        for seconds in moments(0, 1):
            time.sleep(seconds)
            worker.send_signal(how)
            assert worker.wait(STOP_SECONDS) == (0 if how is signal.SIGTERM else -how)
            worker = trial.platform.start_worker()
    trial.settle(f"worker {how.name}, {MOMENTS} times", load)
    assert load.kinds.keys() == {"200"}


@pytest.mark.parametrize("how", HOW)
def test_the_web_process_may_end_at_any_moment(trial: Trial, how: signal.Signals) -> None:
    trial.platform.start_worker()
    web = trial.platform.start_web()
    with trial.load() as load:
        for seconds in moments(0.2, 1):
            time.sleep(seconds)
            with load.outage():
                end(web, how)
                web = trial.platform.start_web()
    trial.settle(f"web {how.name}, {MOMENTS} times", load)
    assert {kind for kind in load.kinds if kind.isdecimal()} == {"200"}


def end(web: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if how is signal.SIGKILL:
        kill_together(web)
    else:
        web.send_signal(how)
        assert web.wait(STOP_SECONDS) == 0
