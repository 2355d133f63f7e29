"""A thread of the web process that works beside deliveries until the process ends."""

import atexit
from collections.abc import Callable
from threading import Event, Lock, Thread


class Background:
    """Runs `run`, which returns once the event that it is given is set. Safe for threads.

    It begins with `start`, which must not come before the process forks. `at_exit` is called when the process ends
    while it runs, and calls `stop`.
    """

    def __init__(self, name: str, run: Callable[[Event], None], *, at_exit: Callable[[], None]) -> None:
        self._name, self._run, self._at_exit = name, run, at_exit
        self._lock, self._is_over = Lock(), Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, args=(self._is_over,), name=self._name, daemon=True)
                self._thread.start()
                atexit.register(self._at_exit)

    def stop(self) -> None:
        """Return once `run` has ended."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
            atexit.unregister(self._at_exit)
