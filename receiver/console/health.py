"""Health: what `zexa-sync status` measures, in words; and the log of what people did here."""

from collections import Counter

from flask import Response

from receiver.console.needs import held_by_text
from receiver.console.overview import measured
from receiver.console.pages import ROWS_ON_A_PAGE, Pages, number_parameter, rendered, stores
from sync.doctor.in_console import check_for_page
from sync.terminal.findings import Severity
from sync.users.audit import latest_entries


def add_pages(pages: Pages) -> None:
    pages.page("/health", health)
    pages.page("/log", audit_log)


def health() -> Response:
    """Show what `doctor` finds as far as a page may look, what `status` measures, and outages."""
    numbers, opened = measured(), stores()
    checks = check_for_page(
        numbers,
        opened.reader,
        opened.queue.connection,
        secrets=opened.secrets,
        is_journalled=opened.is_journalled,
        forget_key_ids=[key.key_id for key in opened.options.forget_keys],
    )
    wrong = [check for check in checks if check.status in (Severity.PROBLEM, Severity.WARNING)]
    named = {check.check for check in wrong}
    counts = Counter(check.status for check in checks)
    return rendered(
        "health.html",
        numbers=numbers,
        held_by=held_by_text(numbers.freshness.held_by),
        found=wrong,
        fine=[check for check in checks if check.status is Severity.OK and check.check not in named],
        unknown=[check for check in checks if check.status is Severity.UNKNOWN],
        problems=counts[Severity.PROBLEM],
        warnings=counts[Severity.WARNING],
    )


def audit_log() -> Response:
    """Show what people did in the console, the latest first."""
    with stores().reader.connect() as connection:
        rows = latest_entries(connection, before=number_parameter("before"), limit=ROWS_ON_A_PAGE)
    older = rows[-1]["id"] if len(rows) == ROWS_ON_A_PAGE else None
    return rendered("log.html", rows=rows, older=older)
