"""Lays out letters and failed jobs for a person. Every value is escaped, and nothing is read as markup."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sync.dead_letters.finding import Letter
from sync.dead_letters.ignored_facts import IgnoredTally
from sync.dead_letters.replaying import Replayed, Verdict
from sync.queue import FailedJob
from sync.raw_events import RawEvent
from sync.tracing.explaining import moment_text
from sync.tracing.text import UNWRAPPED_COLUMNS, visible

# Enough to name a letter among many millions; the whole digest is in `show` and in JSON.
DIGITS_SHOWN = 12
# Fewer are replayed before a bar could be read.
MANY = 200


def say(text: str) -> None:
    """Print `text`; what the encoding of standard output lacks is an escape, never an error.

    Written to `sys.stdout` itself: click would look for the stream behind it, and tear the bar that `progress` shows.
    """
    encoding = sys.stdout.encoding or "utf-8"  # rich's stream, which keeps lines above its bar, names none
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def letters_text(letters: Sequence[Letter], matching: int) -> str:
    """Return a table of `letters`, the first of `matching`."""
    if not letters:
        return "No dead letters."
    rows = [
        (
            _seconds_text(letter.received_at),
            letter.digest[:DIGITS_SHOWN],
            letter.reason,
            f"{letter.attempts:,}",
            f"{letter.body_bytes:,}",
            _seconds_text(letter.resolved_at),
            letter.error,
        )
        for letter in letters
    ]
    names = ("received", "digest", "reason", "attempts", "bytes", "resolved", "error")
    return f"Dead letters: {_shown_text(len(letters), matching)}\n{_table_text(names, rows)}"


def jobs_text(jobs: Sequence[FailedJob], matching: int) -> str:
    """Return a table of `jobs`, the first of `matching`."""
    if not jobs:
        return "No failed jobs."
    rows = [(_seconds_text(job.failed_at), job.job_id, f"{job.raw_events:,}", job.why) for job in jobs]
    names = ("failed", "job", "raw events", "why")
    return f"Failed jobs: {_shown_text(len(jobs), matching)}\n{_table_text(names, rows)}"


def reasons_text(counts: Mapping[str, int]) -> str:
    """Return one line with how many letters there are of each reason."""
    return "By reason: " + (", ".join(f"{visible(reason)} {count:,}" for reason, count in counts.items()) or "none")


def fields_text(of: Letter | FailedJob) -> str:
    """Return every field of one letter or failed job on a line of its own."""
    fields = asdict(of)
    width = max(map(len, fields))
    return "\n".join(f"{name:<{width}}  {_value_text(value)}" for name, value in fields.items())


def body_text(title: str, body: bytes) -> str:
    """Return `body` exactly, under `title`; only a newline breaks a line, other control characters are shown."""
    lines = body.decode("utf-8", "backslashreplace").split("\n")
    return "\n".join(["", title, *(f"  {visible(line)}" for line in lines)])


def raw_event_text(raw: RawEvent) -> str:
    return body_text(f"Body received {moment_text(raw.received_at)}", raw.body)


def replayed_text(one: Replayed) -> str:
    """Return one line on what became of a letter."""
    why = f"  {visible(f'{one.reason}: {one.error}')}" if one.verdict is Verdict.STILL_DEAD else ""
    return f"{_words(one.verdict):<10}  {one.digest[:DIGITS_SHOWN]}{why}"


def verdicts_text(counts: Mapping[Verdict, int]) -> str:
    told = ", ".join(f"{counts[verdict]:,} {_words(verdict)}" for verdict in Verdict)
    return f"Replayed {number_text(sum(counts.values()), 'dead letter')}: {told}."


def ignored_text(tally: IgnoredTally) -> str:
    told = ", ".join(f"{count:,} {_words(name)}" for name, count in asdict(tally).items())
    return f"Of the ledger's ignored facts: {told}."


def number_text(number: int, noun: str) -> str:
    """Return for example `1 raw event` or `2,000 raw events`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown_text(shown: int, matching: int) -> str:
    return f"{matching:,}" if shown == matching else f"the first {shown:,} of {matching:,}"


def _value_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return moment_text(value) if isinstance(value, datetime) else visible(str(value))


def _seconds_text(moment: datetime | None) -> str:
    return "-" if moment is None else moment_text(moment.replace(microsecond=0))


def _table_text(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in names[:-1]:
        table.add_column(no_wrap=True, justify="right" if name in ("attempts", "bytes", "raw events") else "left")
    table.add_column(overflow="fold")
    table.add_row(*(Text(name, style="dim") for name in names))
    for row in rows:
        table.add_row(*(Text(visible(value)) for value in row))
    is_watched = sys.stdout.isatty()
    console = Console(force_terminal=is_watched, width=None if is_watched else UNWRAPPED_COLUMNS)
    with console.capture() as capture:
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error if a person is watching and `total` is many or unknown; yield what advances it."""
    console = Console(stderr=True)
    if not console.is_terminal or (total is not None and total <= MANY):
        yield lambda _done: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    # Where both go to one terminal, the lines stand above the bar; a file gets its lines whatever is watched.
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
