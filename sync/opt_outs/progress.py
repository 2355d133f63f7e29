"""Shows on standard error how far a file was read, where that is a terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def file_progress(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how much of `total` (bytes, or rows) is done, and how many rows that is."""
    console = Console(stderr=True)
    columns = TextColumn(what), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    # A thread of its own would compete with the reading.
    with Progress(
        *columns,
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    ) as progress:
        task, begun = progress.add_task("", total=total), time.monotonic()

        def show(done: int, rows: int) -> None:
            rate = rows / max(time.monotonic() - begun, 0.001)
            progress.update(task, completed=done, description=f"{rows:,} rows, {rate:,.0f}/s")
            progress.refresh()

        yield show
