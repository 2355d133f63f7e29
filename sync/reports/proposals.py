"""What the report of failures says beneath its table: which codes look like opt-outs."""

import os

from sync.reports.failure_codes import latest_count
from sync.settings.environment import read_opt_out_failures
from sync.terminal.program import program
from sync.terminal.stores import database
from sync.terminal.text import say, visible

STATEMENT_SECONDS = 10


def say_proposals() -> None:
    """Print what the latest count proposes for ZEXA_OPT_OUT_FAILURES, nothing if that is nothing."""
    already = read_opt_out_failures(os.environ)
    with database(is_read_only=True, statement_seconds=STATEMENT_SECONDS) as engine, engine.connect() as connection:
        count = latest_count(connection, already)
    if count is None or not count.proposed:
        return
    for code in count.proposed:
        counted = code.counted
        say(
            f"\n{visible(counted.entry)} ({counted.channel or 'unknown channel'}) looks like an opt-out: of "
            f"{counted.addresses:,} addresses that were tried again {counted.never_again:,} never received again."
        )
    say(f"Ask Zexa what it means. If it is one, set {visible(count.line)} and run `{program()} rebuild`.")
