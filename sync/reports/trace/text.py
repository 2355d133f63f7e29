"""Lays out a trace for a person: on a terminal with tables and emphasis, elsewhere as plain, unwrapped text.

Every value comes from outside: what is not printable is shown as an escape, and nothing is read as markup.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sync.reports.trace.gather import Fact, FoundBy, OptOutFound, Trace
from sync.terminal.tables import drawn_lines, output_console
from sync.terminal.text import POLLED, value_text, visible
from sync.terminal.times import lag_text, time_text

_FOUND_BY: Mapping[FoundBy, str] = {
    FoundBy.MESSAGE_ID: "came with this message",
    FoundBy.ADDRESS: "is of its address",
}


def trace_text(trace: Trace, *, with_bodies: bool) -> str:
    """Return `trace` as text for standard output, in as many columns and colours as that has."""
    lines = drawn_lines(output_console(), *_parts(trace))
    if with_bodies:
        lines += [line for fact in trace.facts for line in _body_lines(fact)]
    return "\n".join(lines)


def _parts(trace: Trace) -> Iterator[RenderableType]:
    yield _title(f"Message {trace.message_id}")
    for sentence in trace.why:
        yield _indented(Text(visible(sentence)))
    if trace.facts:
        yield _title("Facts in the ledger")
        yield _indented(_facts_table(trace.facts))
    yield from _section("Row in message_status", trace.message)
    yield from _section("Row in campaign_status", trace.campaign)
    for opt_out in trace.opt_outs:
        yield from _section(_opt_out_title(opt_out), opt_out.row)


def _title(text: str) -> Text:
    return Text(f"\n{visible(text)}", style="bold")


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2), expand=False)


def _facts_table(facts: tuple[Fact, ...]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", overflow="fold")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for fact in facts:
        received = lag_text(fact.received_at - fact.occurred_at) if fact.is_dated else ""
        reached, origin = ("asked for", POLLED) if fact.is_polled else ("received", "")
        rows = (
            (
                fact.name if fact.holds else f"{fact.name}, another body",
                "occurred",
                fact.occurred_at,
                "" if fact.is_dated else "not dated",
            ),
            (f"outcome: {fact.outcome}", reached, fact.received_at, received),
            (origin, "applied", fact.applied_at, lag_text(fact.applied_at - fact.received_at)),
        )
        for name, time_name, time, lag in rows:
            table.add_row(*map(Text, (visible(name), time_name, time_text(time), lag)))
    return table


def _opt_out_title(opt_out: OptOutFound) -> str:
    state = "Active" if opt_out.is_active else "Inactive"
    return f"{state} opt-out: it {' and '.join(_FOUND_BY[found_by] for found_by in opt_out.found_by)}"


def _section(title: str, row: Mapping[str, Any] | None) -> Iterator[RenderableType]:
    if row is None:
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in row.items():
        table.add_row(Text(name), Text(value_text(value)))
    yield _title(title)
    yield _indented(table)


def _body_lines(fact: Fact) -> list[str]:
    """Only a newline breaks a line of a body, so that it can be copied; other control characters are shown."""
    lines = fact.body.decode("utf-8", "backslashreplace").split("\n")
    title = "Body of" if fact.holds else "Another body of"
    origin = f", {POLLED}" if fact.is_polled else ""
    return ["", f"{title} {visible(fact.name)}{origin}", *(f"  {visible(line)}" for line in lines)]
