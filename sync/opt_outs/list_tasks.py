"""What a worker does with a list that a person uploaded: looks at it, scrubs it or imports it. Kinds of tasks."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import Connection

from sync.opt_outs.import_file import ImportCounts, import_opt_outs
from sync.opt_outs.scrub_file import (
    ROWS_PER_LOOK,
    Files,
    ScrubCounts,
    ScrubScope,
    UnknownStatusError,
    scrub,
    scrub_problem,
)
from sync.opt_outs.uploaded_list import ListOptions, ListPurpose, opened_list, row_reader
from sync.queue.connection import opened_queue
from sync.settings.environment import read_redis_settings
from sync.suppression import MAX_STALENESS, Lookup, LookupStatus
from sync.tasks import TaskFailed, TaskRecord, TaskWork
from sync.tasks.files import INPUT, OUTPUT, KeptFor
from sync.terminal.csv_file import CsvFile, FileError
from sync.terminal.csv_records import Record, next_batch

LOOK, SCRUB, IMPORT = "look_at_list", "scrub_list", "import_list"
KIND_OF = {ListPurpose.SCRUB: SCRUB, ListPurpose.IMPORT: IMPORT}
# A list that nobody confirms is deleted so long after the look at it, one that was worked through soon. Of one that
# could not be scrubbed a person may have it tried again.
UNCONFIRMED, SOON = timedelta(hours=1), timedelta()
FILES_KEPT = {
    (LOOK, INPUT): KeptFor(ended=UNCONFIRMED, failed=UNCONFIRMED),
    (LOOK, OUTPUT): KeptFor(ended=UNCONFIRMED, failed=UNCONFIRMED),
    (SCRUB, INPUT): KeptFor(ended=SOON, failed=UNCONFIRMED),
    (IMPORT, INPUT): KeptFor(ended=SOON, failed=SOON),
}
# How a task fails if nobody can know who has opted out; what holds the answer back stands behind it.
STALE = "stale"
# The count of a scrub that is a time: up to when opt-outs are reflected in it, in seconds since 1970.
AS_OF = "as_of"

REDIS_SECONDS = 2
PROBLEMS_TOLD_MAX = 20
# Rows read between two looks whether the worker shall stop, or has events to apply.
ROWS_PER_CHECK = 200


def look_at_list(work: TaskWork) -> Mapping[str, int]:
    """Count the rows, those that are no address, and those of people who have opted out. Changes nothing.

    Rows of which the look-up cannot say whether somebody has opted out are counted as `unknown`: some of them may have.
    Its output is a JSON array of the first rows that cannot be taken: line and reason, and nothing of the row.
    """
    counts = {"rows": 0, "invalid": 0, "opted_out": 0, "unknown": 0}
    problems: list[tuple[int, str]] = []
    with _opened(work) as (asked, file), _opened_lookup(work) as lookup:
        read = row_reader(file, asked, work.options, lambda: datetime.now(UTC))
        while rows := next_batch(file.records, ROWS_PER_LOOK):
            cells = [file.cell(fields) for _, _, fields in rows]
            answers = lookup.check([cell or "" for cell in cells], asked.channel or None, asked.sender or None)
            for record, cell, answer in zip(rows, cells, answers, strict=True):
                problem = read(record)[1] if asked.purpose is ListPurpose.IMPORT else scrub_problem(cell, answer)
                counts["rows"] += 1
                counts["invalid"] += problem is not None
                counts["opted_out"] += problem is None and answer.status is LookupStatus.SUPPRESSED
                counts["unknown"] += problem is None and answer.status is LookupStatus.UNKNOWN
                if problem is not None and len(problems) < PROBLEMS_TOLD_MAX:
                    problems.append((record[0], problem))
            work.progress(file.position())
    with work.output() as output:
        output.write(json.dumps(problems).encode())
    return counts


def is_stale(record: TaskRecord) -> bool:
    """Return whether it failed because nobody could know who has opted out: later that may be known."""
    return record.failure is not None and record.failure.partition(":")[0] == STALE


def problems_of(look: bytes) -> Sequence[tuple[int, str]]:
    """Return the rows that cannot be taken, of the output of a look."""
    return [(line, why) for line, why in json.loads(look)]


def scrub_list(work: TaskWork) -> Mapping[str, int]:
    """Make the list without those who must not be messaged, byte for byte what `opt-outs scrub --out` writes."""
    with ExitStack() as stack:
        asked, file = stack.enter_context(_opened(work))
        lookup = stack.enter_context(_opened_lookup(work))
        clean = stack.enter_context(work.output())
        nowhere = stack.enter_context(open(os.devnull, "wb"))
        scope = ScrubScope(channel=asked.channel or None, sender=asked.sender or None, max_staleness=MAX_STALENESS)
        files = Files(clean=clean, removed=nowhere, invalid=nowhere)
        try:
            counts = scrub(lookup, file, files, scope, lambda _: work.progress(file.position()))
        except UnknownStatusError as error:
            raise TaskFailed(f"{STALE}:{error.held_by or ''}") from None
    return _scrubbed(counts)


def _scrubbed(counts: ScrubCounts) -> Mapping[str, int]:
    as_of = {AS_OF: int(counts.as_of.timestamp())} if counts.as_of else {}
    return {name: getattr(counts, name) for name in ("clean", "removed", "invalid")} | as_of


def import_list(work: TaskWork) -> Mapping[str, int]:
    """Opt out everybody in the list, as `opt-outs import` does, by the name of who asked.

    What a transaction does is counted in it, and the next worker goes on behind its rows.
    """
    rows = int(work.bookmark or 0)
    shown = work.steps_done
    with _opened(work) as (asked, file):
        for _ in islice(file.records, rows):
            pass

        def note(connection: Connection, counts: ImportCounts) -> None:
            nonlocal rows, shown
            rows, done = rows + counts.rows, max(0, file.position() - shown)
            shown += done
            work.note(connection, asdict(counts), done=done, bookmark=str(rows))

        work.check()
        import_opt_outs(
            work.engine,
            file,
            asked.defaults(work.by, work.options),
            clock=lambda: datetime.now(UTC),
            on_invalid=lambda _record, _why: None,
            on_batch=lambda _counts: work.check(),
            note=note,
        )
    return {}


@contextmanager
def _opened(work: TaskWork) -> Iterator[tuple[ListOptions, CsvFile]]:
    """Open the list of the task. Fails the task with what is wrong with the list, which quotes no row."""
    asked = ListOptions.from_parameters(work.parameters)
    try:
        with opened_list(work.input(), asked, work.options.default_region) as file:
            yield asked, replace(file, records=_checked(file.records, work))
    except FileError as error:
        raise TaskFailed(str(error)) from None


def _checked(records: Iterator[Record], work: TaskWork) -> Iterator[Record]:
    """Yield `records`, which are read outside of transactions, so that the work may rest or stop between them."""
    for number, record in enumerate(records):
        if number % ROWS_PER_CHECK == 0:
            work.check()
        yield record


@contextmanager
def _opened_lookup(work: TaskWork) -> Iterator[Lookup]:
    """Open a look-up. It fails closed: a store that is away is no answer."""
    region, keys = work.options.default_region, work.options.forget_keys
    with opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue:
        yield Lookup(work.reader, queue, default_region=region, forget_keys=keys)
