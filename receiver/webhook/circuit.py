"""A circuit: while a store is known to be away nobody waits for it, and it closes again by itself."""

import time
from collections.abc import Callable

from sync.queue.backoff import Backoff

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 4.0


class Circuit:
    """Open after a failure, for a pause; then one try may tell whether the store is back.

    A try that fails opens it for twice as long, up to PAUSE_SECONDS_MAX. `on_change` is told, once, that the
    store is away (with what kind of error) and that it is back (None).
    """

    def __init__(self, on_change: Callable[[str | None], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_change = on_change
        self._clock = clock
        self._backoff = Backoff(least_seconds=PAUSE_SECONDS_MIN, most_seconds=PAUSE_SECONDS_MAX)
        self._pause = 0.0
        self._try_at = 0.0
        self._away_since = 0.0

    @property
    def away_seconds(self) -> float:
        """Return for how long every try has failed, 0 while all is well."""
        return self._clock() - self._away_since if self._pause else 0.0

    @property
    def is_open(self) -> bool:
        """Return whether the store is not to be asked now. If not so, the caller tries, and reports what came of it."""
        if not self._pause:
            return False
        if self._clock() < self._try_at:
            return True
        # Until this try is over, nobody else waits for it.
        self._try_at = self._clock() + self._pause
        return False

    def failed(self, error: str) -> None:
        if not self._pause:
            self._away_since = self._clock()
            self._on_change(error)
        self._pause = self._backoff.next_seconds()
        self._try_at = self._clock() + self._pause

    def succeeded(self) -> None:
        if self._pause:
            self._on_change(None)
        self._pause = 0.0
        self._backoff.reset()
