"""The parts of a benchmark by name, and how much each of them measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sync.devtools.bench.apply import measure_apply
from sync.devtools.bench.console import measure_console
from sync.devtools.bench.end_to_end import measure_end_to_end
from sync.devtools.bench.figures import Figure
from sync.devtools.bench.growth import measure_growth
from sync.devtools.bench.lookups import measure_lookups
from sync.devtools.bench.opt_outs_first import measure_opt_outs_first
from sync.devtools.bench.receive import measure_receive
from sync.devtools.bench.reports import measure_reports
from sync.devtools.bench.servers import Database
from sync.devtools.bench.stage import Bench
from sync.devtools.bench.suppression import measure_check, measure_scrub

PARTS = ("receive", "apply", "end-to-end", "opt-outs", "growth", "suppression", "reports", "console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured: the options of `zexa-sync bench` under their own names."""

    events: int
    seconds: float
    connections: tuple[int, ...]
    messages: tuple[int, ...]
    messages_of_console: tuple[int, ...]
    backlog: int
    opted_out: tuple[int, ...]
    addresses: int


def measures(bench: Bench, databases: Sequence[Database], sizes: Sizes) -> Mapping[str, Callable[[], list[Figure]]]:
    """Return a measurement for each of PARTS.

    Applying, reports and the console are measured on each of `databases`, all other parts on the first.
    """
    first, *_ = databases
    return {
        "receive": lambda: measure_receive(bench, first, connections=sizes.connections, seconds=sizes.seconds),
        "apply": lambda: [
            figure for database in databases for figure in measure_apply(bench, database, events=sizes.events)
        ],
        "end-to-end": lambda: measure_end_to_end(bench, first, seconds=sizes.seconds),
        "opt-outs": lambda: measure_opt_outs_first(bench, first, backlog=sizes.backlog),
        "growth": lambda: measure_growth(bench, first, events=sizes.events, messages=sizes.messages),
        "suppression": lambda: [
            *measure_lookups(bench, first, opt_outs=sizes.opted_out, seconds=sizes.seconds),
            *measure_check(bench, first, opt_outs=max(sizes.opted_out), addresses=sizes.addresses),
            *measure_scrub(bench, first, rows=sizes.addresses),
        ],
        "reports": lambda: [
            figure for database in databases for figure in measure_reports(bench, database, messages=sizes.messages)
        ],
        "console": lambda: [
            figure
            for database in databases
            for figure in measure_console(bench, database, messages=sizes.messages_of_console, seconds=sizes.seconds)
        ],
    }
