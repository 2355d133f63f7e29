"""Stopping and waiting: a process that waits for a store must still notice that it shall stop."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """Whether the process was asked to stop. The host kills one that takes over 30 s to do so."""

    def __init__(self) -> None:
        self.is_requested = False

    def request(self, *_signal: object) -> None:
        self.is_requested = True

    def sleep(self, seconds: float) -> None:
        """Sleep about `seconds`, not in step with other workers, or until asked to stop."""
        deadline = time.monotonic() + seconds * random.uniform(0.5, 1)  # noqa: S311
        while (left := deadline - time.monotonic()) > 0 and not self.is_requested:
            time.sleep(min(left, 0.1))


# How long what runs has to end by itself. The host kills after 30 s.
GRACE_SECONDS = 5.0
# A cancellation meets the statement that runs at the moment, and perhaps none: so it is repeated.
CANCEL_AGAIN_SECONDS = 0.5


@contextmanager
def cancelled_if_late(stop: Stop, cancel: Callable[[], None]) -> Iterator[None]:
    """Within the block, call `cancel` again and again, in a thread, from GRACE_SECONDS after `stop` was requested."""
    is_over = threading.Event()

    def watch() -> None:
        while not stop.is_requested:
            if is_over.wait(0.2):
                return
        if is_over.wait(GRACE_SECONDS):
            return
        while not is_over.wait(CANCEL_AGAIN_SECONDS):
            cancel()

    watcher = threading.Thread(target=watch, name="cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
