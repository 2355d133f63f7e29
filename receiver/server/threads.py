"""Threads for work that blocks: a bounded number for each kind of work, so that no kind keeps another from its turn."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

Found = TypeVar("Found")


class ThreadsBusy(Exception):  # noqa: N818 - a state, not a mistake
    """Every thread is at work, and as many wait for one as may."""


class Threads:
    """`most` threads; `waiting` pieces of work wait for one at the most. No thread runs before it is needed."""

    def __init__(self, name: str, *, most: int, waiting: int = 0) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._places = BoundedSemaphore(most + waiting)

    async def run(self, work: Callable[[], Found], *, seconds: float) -> Found:
        """Return what `work` returns, or raise what it raises.

        Raises ThreadsBusy at once, or TimeoutError after `seconds`; then `work` is dropped if it has not begun, and
        otherwise goes on in its thread without anybody who waits for it.
        """
        if not self._places.acquire(blocking=False):
            raise ThreadsBusy
        future = self._executor.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(future)
