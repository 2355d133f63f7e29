"""Lays out a report: for a person as a table with bars, for programs as CSV or JSON.

Texts come from outside. A character that is not printable is shown as an escape, and nothing is read as markup. Text
that looks like a number or an address is masked.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from sync.reports.queries import Report, Row
from sync.terminal.csv_cells import defused
from sync.terminal.masking import masked_text
from sync.terminal.tables import drawn_lines, output_console
from sync.terminal.text import visible
from sync.terminal.times import iso_text

BAR_CELLS = 24
WIDE_COLUMNS = 140
PADDING = 3
# If the output is no terminal, a line is as long as its values.
TEXT_CHARACTERS_MAX = 40

_FREE_TEXTS = frozenset({"failure_code", "failure_reason", "name"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`show` makes the cell of a row; cells of numbers stand right. If there is no room for all columns, columns of the
    greatest `rank` are left out first, and columns of rank 0 never."""

    title: str
    show: Callable[[Row], str]
    is_number: bool = True
    rank: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`part` of `whole` is drawn as a bar as long as `whole` is, beside the greatest of all rows."""

    columns: tuple[Column, ...]
    part: str
    whole: str
    fold: Callable[[Sequence[Row]], list[Row]] = list


def report_table(report: Report, layout: Layout) -> str:
    """Return `report` as a table for standard output, in as many columns and colours as that has."""
    console = output_console(highlight=False)
    rows = layout.fold(report.rows)
    cells = {column.title: [column.show(row) for row in rows] for column in layout.columns}
    bar_cells = BAR_CELLS if console.width >= WIDE_COLUMNS else BAR_CELLS // 3
    columns = _fitting(layout.columns, cells, console.width - bar_cells)
    greatest = max((row[layout.whole] or 0 for row in rows), default=0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.is_number else "left", overflow="fold")
    table.add_column("", no_wrap=True)
    for number, row in enumerate(rows):
        bar = _bar(row[layout.part] or 0, row[layout.whole] or 0, greatest, bar_cells)
        table.add_row(*(Text(cells[column.title][number]) for column in columns), bar)
    lines = drawn_lines(console, table)
    if left_out := [column.title for column in layout.columns if column not in columns]:
        lines += ["", f"No room for: {', '.join(left_out)}. --csv and --json have every column."]
    return "\n".join(lines)


def _fitting(columns: Sequence[Column], cells: Mapping[str, list[str]], room: int) -> list[Column]:
    """Return the columns for which there is room, in their order."""
    fitting = list(columns)
    while sum(_width(column, cells[column.title]) + PADDING for column in fitting) > room:
        least = max(fitting, key=lambda column: column.rank)
        if not least.rank:
            break
        fitting.remove(least)
    return fitting


def _width(column: Column, cells: Sequence[str]) -> int:
    """Titles may be broken between words."""
    return max(map(len, [*column.title.split(), *cells]))


def _bar(part: float, whole: float, greatest: float, most: int) -> Text:
    """Full cells for the part, light cells for the rest; by ASCII signs if the output has no such characters."""
    if not greatest or whole <= 0:
        return Text("")
    full, light = ("█", "░") if _can_print("█░") else ("#", ".")
    cells = max(1, round(most * whole / greatest))
    filled = min(cells, round(cells * part / whole))
    return Text(full * filled, style="green") + Text(light * (cells - filled), style="dim")


def _can_print(characters: str) -> bool:
    try:
        characters.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def count(name: str, title: str | None = None, *, rank: int = 0) -> Column:
    return Column(title=title or name, show=lambda row: "-" if row[name] is None else f"{row[name]:,}", rank=rank)


def share(name: str, title: str, *, rank: int = 0) -> Column:
    """A number from 0 to 1 as per cent; with three digits if rounding would hide that it is not all, or not none."""
    return Column(title=title, show=lambda row: "-" if row[name] is None else _percent(row[name]), rank=rank)


def _percent(value: float) -> str:
    percent = value * 100
    rounded = f"{percent:.1f}%"
    return f"{percent:.3f}%" if rounded in ("0.0%", "100.0%") and value not in (0, 1) else rounded


def words(name: str, title: str | None = None, *, rank: int = 0) -> Column:
    return Column(title=title or name, show=lambda row: _cell(name, row[name]), is_number=False, rank=rank)


def time(name: str, title: str, *, rank: int = 0) -> Column:
    def show(row: Row) -> str:
        return "-" if row[name] is None else f"{row[name]:%Y-%m-%d %H:%MZ}"

    return Column(title=title, show=show, is_number=False, rank=rank)


def seconds(name: str, title: str, *, rank: int = 0) -> Column:
    """A duration in the unit in which it has few digits."""
    return Column(title=title, show=lambda row: "-" if row[name] is None else _duration(row[name]), rank=rank)


def _duration(value: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(value) >= 2 * size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.1f} s" if abs(value) >= 1 else f"{value * 1000:.0f} ms"


def _cell(name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    text = visible(_shown(name, value))
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[: TEXT_CHARACTERS_MAX - 1]}…"


def _shown(name: str, value: Any) -> str:
    return masked_text(str(value)) if name in _FREE_TEXTS else str(value)


def report_csv(report: Report) -> str:
    """Return every row with the columns of the view; times are ISO 8601 in UTC, what is not known is empty.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(report.columns)
    for row in _documents(report):
        # A person will look at the file in a terminal.
        writer.writerow([_csv_cell(value) for value in row.values()])
    return output.getvalue().removesuffix("\n")


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    return visible(defused(value)) if isinstance(value, str) else str(value)


def report_document(report: Report) -> dict[str, Any]:
    """Return one JSON object: the view, the time zone of its days, and every row."""
    return {"view": report.name, "timezone": report.timezone, "rows": list(_documents(report))}


def _documents(report: Report) -> Iterable[Mapping[str, Any]]:
    return ({name: _plain(name, row[name]) for name in report.columns} for row in report.rows)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return _shown(name, value) if isinstance(value, str) else value
