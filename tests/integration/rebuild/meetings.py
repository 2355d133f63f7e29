"""How a rebuild and a worker are made to meet: one is held where the other can get in, or has to wait."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

from sqlalchemy import Engine, event

from sync.events.interpretation import ParseOptions
from tests.integration.rebuild.damage import rebuilt
from tests.integration.store.test_merge_meetings import MEETING_SECONDS, Worker
from tests.integration.store.test_oracle import Step, take
from tests.support.processes import wait_for


class Rebuilder(Worker):
    """Rebuilds in a thread, at each point at which its base class applies."""

    def __init__(self, reader: Engine, engine: Engine, observer: Engine) -> None:
        super().__init__(engine, observer, [])
        self.reader = reader

    def _work(self, _step: Step) -> None:
        try:
            rebuilt(self.reader, self.engine)
        except BaseException as error:
            self.errors.append(error)


@contextmanager
def held_where_others_get_in(engine: Engine, step: int, other: Worker) -> Iterator[threading.Event]:
    """Within the block, let `other` start before the `step`th statement or commit of `engine`, which then waits.

    SQLite has one writer at a time, and what it sees does not change from its BEGIN IMMEDIATE to its commit. So of
    what is between these nothing counts. Yields whether there was such a step; else `other` works once the block ends.
    """
    steps, is_held, writing = count(), threading.Event(), threading.Event()

    def hold(*_: Any) -> None:
        if next(steps) == step:
            is_held.set()
            other.thread.start()
            wait_for(other.has_come_as_far_as_it_can, seconds=MEETING_SECONDS, what="the second worker")

    def before_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not writing.is_set():
            hold()
        if statement == "BEGIN IMMEDIATE":
            writing.set()

    def before_commit(_connection: Any) -> None:
        hold()
        writing.clear()

    event.listen(engine, "before_cursor_execute", before_statement)
    event.listen(engine, "commit", before_commit)
    try:
        yield is_held
    finally:
        event.remove(engine, "before_cursor_execute", before_statement)
        event.remove(engine, "commit", before_commit)
    if not is_held.is_set():
        other.thread.start()


def take_side_by_side(engines: Sequence[Engine], shares: Sequence[Sequence[Step]], options: ParseOptions) -> None:
    """Take each share in a thread with an engine of its own, all started at one moment; raise what any raised."""
    start = threading.Barrier(len(shares))

    def work(engine: Engine, share: Sequence[Step]) -> None:
        start.wait(10)
        take(engine, share, options)

    with ThreadPoolExecutor(len(shares)) as threads:
        for done in [threads.submit(work, *each) for each in zip(engines, shares, strict=True)]:
            done.result()
