"""Ctrl-C while a command is still being loaded: the process ends at once, without a traceback."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

# What a shell reports of a process that Ctrl-C ended.
INTERRUPTED = 130


@contextmanager
def silent_interrupt() -> Iterator[None]:
    """End the process in silence if Ctrl-C comes within the block, which must hold imports only.

    An exception in the middle of an import may be swallowed by what is imported, or printed with a traceback.
    A handler that was set for Ctrl-C before, such as one that ignores it, stays.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(INTERRUPTED))
    except ValueError:  # only the main thread may set it, and only that one is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
