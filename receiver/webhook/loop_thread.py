"""An event loop in a thread of its own, for those who serve the application by WSGI."""

import asyncio
from collections.abc import Callable, Coroutine
from threading import Lock, Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopThread:
    """Runs coroutines for threads that wait for them. It begins with the first, so that a process may fork before."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, begin: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return what the coroutine of `begin` returns, or raise what it raises."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name="event-loop", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(begin(), self._loop).result()
