"""Lets a command notice that it is asked to stop."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STDIN = 0


class StopAsked(Exception):  # noqa: N818 - a wish, not a mistake
    """Ctrl-C, SIGTERM, or the terminal was closed."""


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Note SIGINT, SIGTERM and SIGHUP instead of dying of them; yield a question whether we are to stop.

    A note cannot arrive between the start of a process and its place in our books, as an exception could.
    """
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    heeds_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # as nohup has it
    if heeds_terminal:
        numbers.append(signal.SIGHUP)
    had_terminal = heeds_terminal and os.isatty(STDIN)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        # Only the first process on a terminal is sent SIGHUP when it closes, and make does not pass it on.
        yield lambda: bool(noted) or (had_terminal and not os.isatty(STDIN))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
