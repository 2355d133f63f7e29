"""Shows on standard error how far long work has come, if that is a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# Fewer are replayed before a bar could be read.
MANY = 200


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error if a person is watching and `total` is many or unknown; yield what advances it."""
    console = Console(stderr=True)
    if not console.is_terminal or (total is not None and total <= MANY):
        yield lambda _done: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    # If both go to one terminal, the lines stand above the bar. A file gets its lines in any case.
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.advance(task, done)


def drawn_by_hand(*columns: ProgressColumn) -> Progress:
    """Return a bar that is seen only on a terminal, and drawn when it is told to be.

    What goes to standard output must not be drawn into, and a thread of its own would compete with the work.
    """
    console = Console(stderr=True)
    return Progress(
        *columns,
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )


@contextmanager
def file_progress(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that takes how much of `total` (bytes, or rows) is done, and how many rows that is."""
    columns = TextColumn(title), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    with drawn_by_hand(*columns) as progress:
        task, begun = progress.add_task("", total=total), time.monotonic()

        def show(done: int, rows: int) -> None:
            rate = rows / max(time.monotonic() - begun, 0.001)
            progress.update(task, completed=done, description=f"{rows:,} rows, {rate:,.0f}/s")
            progress.refresh()

        yield show
