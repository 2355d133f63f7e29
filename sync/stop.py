"""Stopping and waiting: a process that waits for a store must still notice that it shall stop."""

import random
import time

# Between tries while a store is away; each pause is twice the one before.
PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0


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
