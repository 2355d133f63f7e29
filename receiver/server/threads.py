"""Threads for work that blocks: a bounded number for each kind of work, so that no kind keeps another from its turn."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import BoundedSemaphore, get_native_id
from typing import TypeVar

Result = TypeVar("Result")
# How nice a thread is that gives way, of 19 at the most.
NICENESS = 10


class ThreadsBusy(Exception):  # noqa: N818 - a state, not a mistake
    """Every thread is at work, and as many wait for one as may."""


class Threads:
    """`most` threads; `waiting` pieces of work wait for one at the most. No thread runs before it is needed.

    If it `gives_way`, the system lets the event loop run first: on a busy machine it would wait for a slice of time.
    """

    def __init__(self, name: str, *, most: int, waiting: int = 0, gives_way: bool = False) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name, initializer=give_way if gives_way else None)
        self._places = BoundedSemaphore(most + waiting)

    async def run(self, work: Callable[[], Result], *, seconds: float) -> Result:
        """Return what `work` returns, or raise what it raises.

        Raises ThreadsBusy at once, or TimeoutError after `seconds`. Then `work` is dropped if it has not begun.
        Otherwise it goes on in its thread, and nothing waits for it.
        """
        if not self._places.acquire(blocking=False):
            raise ThreadsBusy
        future = self._executor.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(future)


def give_way() -> None:
    """Make this thread nicer than the others of its process. On Linux only: elsewhere threads have no priority."""
    if sys.platform == "linux":
        with suppress(OSError):  # a process that is nicer already may not become less nice
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)
