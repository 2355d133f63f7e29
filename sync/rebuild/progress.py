"""Shows on standard error how far a walk came, if that is a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sync.rebuild.walk import WalkCounts
from sync.terminal.progress import drawn_by_hand


class Bar:
    def __init__(self, progress: Progress, counts: WalkCounts, facts: int) -> None:
        self._progress = progress
        self._counts = counts
        self._facts = facts
        self._begun = time.monotonic()
        self._task = progress.add_task("", total=facts)

    def draw(self) -> None:
        """Show the counts as they are now."""
        facts = self._counts.facts
        rate = facts / max(time.monotonic() - self._begun, 0.001)
        total = max(facts, self._facts)  # which is an estimate, and workers add to it
        text = f"{facts:,} of about {total:,} facts, {rate:,.0f}/s"
        self._progress.update(self._task, completed=facts, total=total, description=text)
        self._progress.refresh()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while something is printed, if that is printed on a terminal too."""
        is_in_the_way = sys.stdout.isatty()
        if is_in_the_way:
            self._progress.stop()
        yield
        if is_in_the_way:
            self._progress.start()


@contextmanager
def bar(counts: WalkCounts, count_facts: Callable[[], int]) -> Iterator[Bar]:
    """Yield a bar that is seen only on a terminal; `count_facts`, about how many there are, is asked only then."""
    with drawn_by_hand(BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()) as progress:
        yield Bar(progress, counts, 0 if progress.disable else count_facts())
