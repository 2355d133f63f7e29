"""Health: what `zexa-sync status` measures, in words; and the log of what people did here."""

from flask import Response

from receiver.console.needs import held_by_text, needs
from receiver.console.overview import measured
from receiver.console.pages import ROWS_ON_A_PAGE, Pages, asked_number, rendered, stores
from sync.users.audit import latest_entries


def add_pages(pages: Pages) -> None:
    pages.page("/health", health)
    pages.page("/log", audit_log)


def health() -> Response:
    numbers = measured()
    held_by = held_by_text(numbers.freshness.held_by)
    return rendered("health.html", numbers=numbers, needs=needs(numbers), held_by=held_by)


def audit_log() -> Response:
    """Show what people did in the console, the latest first."""
    with stores().reader.connect() as connection:
        rows = latest_entries(connection, before=asked_number("before"), limit=ROWS_ON_A_PAGE)
    older = rows[-1]["id"] if len(rows) == ROWS_ON_A_PAGE else None
    return rendered("log.html", rows=rows, older=older)
