"""Lays out letters and failed jobs for a person. Every value is escaped, and nothing is read as markup."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sync.dead_letters.find import Letter
from sync.dead_letters.replay import Replayed, ReplayVerdict
from sync.dead_letters.replay_ignored import IgnoredTally
from sync.events.raw import RawEvent
from sync.queue.failed import FailedJob
from sync.terminal.tables import drawn_lines, output_console
from sync.terminal.text import body_text, number_text, rows_shown_text, value_text, visible
from sync.terminal.times import time_text

# Enough to name one letter of many millions; the whole digest is in `show` and in JSON.
DIGITS_SHOWN = 12


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
    return f"Dead letters: {rows_shown_text(len(letters), matching, 'first')}\n{_table_text(names, rows)}"


def jobs_text(jobs: Sequence[FailedJob], matching: int) -> str:
    """Return a table of `jobs`, the first of `matching`."""
    if not jobs:
        return "No failed jobs."
    rows = [(_seconds_text(job.failed_at), job.job_id, f"{job.raw_events:,}", job.why) for job in jobs]
    names = ("failed", "job", "raw events", "why")
    return f"Failed jobs: {rows_shown_text(len(jobs), matching, 'first')}\n{_table_text(names, rows)}"


def reasons_text(counts: Mapping[str, int]) -> str:
    """Return one line with how many letters there are of each reason."""
    return "By reason: " + (", ".join(f"{visible(reason)} {count:,}" for reason, count in counts.items()) or "none")


def fields_text(entry: Letter | FailedJob) -> str:
    """Return every field of one letter or failed job on a line of its own."""
    fields = asdict(entry)
    width = max(map(len, fields))
    return "\n".join(f"{name:<{width}}  {value_text(value)}" for name, value in fields.items())


def raw_event_text(raw: RawEvent) -> str:
    return body_text(f"Body received {time_text(raw.received_at)}", raw.body)


def replayed_text(result: Replayed) -> str:
    """Return one line on what became of a letter."""
    why = f"  {visible(f'{result.reason}: {result.error}')}" if result.verdict is ReplayVerdict.STILL_DEAD else ""
    return f"{_words(result.verdict):<10}  {result.digest[:DIGITS_SHOWN]}{why}"


def verdicts_text(counts: Mapping[ReplayVerdict, int]) -> str:
    verdicts = ", ".join(f"{counts[verdict]:,} {_words(verdict)}" for verdict in ReplayVerdict)
    return f"Replayed {number_text(sum(counts.values()), 'dead letter')}: {verdicts}."


def ignored_text(tally: IgnoredTally) -> str:
    verdicts = ", ".join(f"{count:,} {_words(name)}" for name, count in asdict(tally).items())
    return f"Of the ledger's ignored facts: {verdicts}."


def _words(name: str) -> str:
    return name.replace("_", " ")


def _seconds_text(time: datetime | None) -> str:
    return time_text(time and time.replace(microsecond=0))


def _table_text(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in names[:-1]:
        table.add_column(no_wrap=True, justify="right" if name in ("attempts", "bytes", "raw events") else "left")
    table.add_column(overflow="fold")
    table.add_row(*(Text(name, style="dim") for name in names))
    for row in rows:
        table.add_row(*(Text(visible(value)) for value in row))
    return "\n".join(drawn_lines(output_console(), Padding(table, (0, 0, 0, 2), expand=False)))
