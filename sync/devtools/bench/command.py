"""`zexa-sync bench`: the project's own benchmark."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from models.errors import error_line
from sync.devtools.bench.machine import describe_machine
from sync.devtools.bench.opted_out import NUMBERS_MAX
from sync.devtools.bench.parts import PARTS, Sizes, measures
from sync.devtools.bench.report import document, print_report
from sync.devtools.bench.servers import KINDS, Database, open_databases, open_redis
from sync.devtools.bench.stage import Bench, migrate
from sync.devtools.dev.embedded import EmbeddedError
from sync.devtools.dev.processes import DevelopmentError
from sync.settings.environment import SettingError
from sync.terminal.options import FiniteRange
from sync.terminal.signals import StopAsked, stop_signals

CONNECTIONS_MAX = 1000
MESSAGES_MAX = 100_000_000
# Unless --messages says otherwise.
MESSAGES = (0, 1_000_000)
MESSAGES_OF_CONSOLE = (20_000,)


class NumberList(click.ParamType[tuple[int, ...]]):
    """Whole numbers between commas."""

    name = "numbers"

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in value.split(",")]
        if not all(word.isascii() and word.isdigit() and self.least <= int(word) <= self.most for word in words):
            self.fail(f"give whole numbers from {self.least} to {self.most} between commas", param, ctx)
        return tuple(sorted({int(word) for word in words}))


def _size(name: str, default: Any, kind: Any, metavar: str, text: str) -> Callable[[Any], Any]:
    """Return the option `name`, which says how much is measured."""
    return click.option(name, default=default, show_default=True, type=kind, metavar=metavar, help=text)


@click.command()
@click.argument("part", type=click.Choice([*PARTS, "all"]), default="all")
@_size(
    "--events",
    20_000,
    click.IntRange(100, 1_000_000),
    "N",
    "How many events are queued for one measurement of applying; many batches, or it is refused.",
)
@_size(
    "--seconds",
    8.0,
    FiniteRange(0.1, 3600),
    "S",
    "How long each measurement over HTTP takes, all rounds of it together; wrk takes a second or more for each.",
)
@_size(
    "--rounds",
    3,
    click.IntRange(1, 100),
    "R",
    "How often the project and its yardsticks take turns in receiving and applying; medians are shown.",
)
@_size(
    "--connections",
    "1,16,64,256",
    NumberList(1, CONNECTIONS_MAX),
    "C,...",
    "Connections at which receiving is measured.",
)
@click.option(
    "--database",
    "kind",
    default="both",
    show_default=True,
    type=click.Choice([*KINDS, "both"]),
    help="What applying, reports and the console are measured on; all else takes PostgreSQL unless it is sqlite.",
)
@_size(
    "--messages",
    None,
    NumberList(0, MESSAGES_MAX),
    "M,...",
    "How many messages are in the tables when growth and reports are measured, 0,1000000 unless given, and the "
    "console, 20000 unless given; millions take minutes.",
)
@_size(
    "--backlog",
    300_000,
    click.IntRange(1, 10_000_000),
    "N",
    "How many deliveries wait in the queue when opt-outs are measured.",
)
@_size(
    "--opted-out",
    "1000,1000000",
    NumberList(0, NUMBERS_MAX),
    "N,...",
    "How many opt-outs are in the table when look-ups are measured.",
)
@_size(
    "--addresses",
    200_000,
    click.IntRange(1000, 10_000_000),
    "N",
    "How many addresses are looked up at once, and stand in the list that is scrubbed, for suppression.",
)
@click.option("--database-url", metavar="URL", help="Measure on this database, which must be empty.")
@click.option("--redis-url", metavar="URL", help="Measure on this Redis, which must be empty.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object, machine and figures.")
def bench(
    part: str,
    events: int,
    seconds: float,
    rounds: int,
    connections: tuple[int, ...],
    kind: str,
    messages: tuple[int, ...] | None,
    backlog: int,
    opted_out: tuple[int, ...],
    addresses: int,
    database_url: str | None,
    redis_url: str | None,
    is_json: bool,
) -> None:
    """Measure how fast this project is on this machine, beside yardsticks of the same run.

    \b
    receive     requests/s and latency of one web process, beside an empty Flask
                route, an empty ASGI route and `queue.enqueue` in each request, all
                under gunicorn; and what the journal (ZEXA_JOURNAL) costs
    apply       events/s of the workers and their processor time, beside the
                database alone (the same rows inserted by one process, no queue)
                and RQ's own SimpleWorker
    end-to-end  events/s from HTTP to row with one and two web processes, the
                backlog, memory, and the time from a POST to its row at 100 and
                1,000 events/s
    opt-outs    from POST to `active_opt_outs` while many deliveries wait
    growth      events/s with many messages in the tables; Redis per queued event
    suppression look-ups of 100 addresses over HTTP, 200/s beside 1,000 events/s;
                how much they slow the events, beside how much empty requests and
                another web process's look-ups do; look-ups of one address and of
                many in Python; and scrubbing a CSV file
    reports     milliseconds of each report with many messages in the tables, three
                facts each, beside counting the same from the messages
    console     milliseconds and size of each page with many messages in the
                tables; 200 deliveries/s beside ten people who ask for pages, and
                alone; a web process with the console and without it

    \b
    Examples:
      Everything, in about ten minutes:
        zexa-sync bench
      Only the receiver, longer, at the connections that matter to you:
        zexa-sync bench receive --connections 8,32 --seconds 30
      Does it stay as fast with millions of messages?
        zexa-sync bench growth --messages 0,1000000,5000000
      How long do the reports take with ten million messages? (ten minutes, 20 GB)
        zexa-sync bench reports --messages 10000000 --database postgresql
      Are the console's pages quick? (a minute or two; with --messages 10000000
      half an hour and 25 GB)
        zexa-sync bench console

    Starts a Redis (nothing of it on disk) and a PostgreSQL of its own and throws them away. Servers given by
    --database-url and --redis-url must not hold anything, and are emptied between measurements. The load comes
    from wrk if it is on PATH, else from the simulator. Everything shares this machine, so let it rest meanwhile:
    the load average it began with is reported. DATABASE_URL and REDIS_URL are not read.

    Figures are shown with their targets, met or not met. That does not change the exit status: 0 once measured,
    1 if something could not be measured or Ctrl-C stopped it, 2 on wrong use.
    """
    parts = PARTS if part == "all" else (part,)
    kinds = KINDS if kind == "both" else (kind,)
    sizes = Sizes(
        events=events,
        seconds=seconds,
        connections=connections,
        messages=messages or MESSAGES,
        messages_of_console=messages or MESSAGES_OF_CONSOLE,
        backlog=backlog,
        opted_out=opted_out,
        addresses=addresses,
    )
    try:
        with _surroundings(kinds, database_url, redis_url, rounds) as (surroundings, databases):
            machine = describe_machine(surroundings.redis_url, databases)
            measure = measures(surroundings, databases, sizes)
            figures = [figure for name in parts for figure in measure[name]()]
    except StopAsked:
        raise click.ClickException("stopped; nothing that was started still runs") from None
    except (DevelopmentError, EmbeddedError, SettingError) as error:
        raise click.ClickException(str(error)) from None
    except DBAPIError as error:
        raise click.ClickException(f"the database failed: {error_line(error)}") from None
    if is_json:
        click.echo(json.dumps(document(machine, figures), indent=2))
    else:
        print_report(machine, figures)


@contextmanager
def _surroundings(
    kinds: tuple[str, ...], database_url: str | None, redis_url: str | None, rounds: int
) -> Iterator[tuple[Bench, list[Database]]]:
    """Yield what all measurements share, with migrated databases; it is all gone afterwards."""
    with (
        stop_signals() as is_stop_asked,
        TemporaryDirectory(prefix="zexa-bench-") as name,
        open_redis(Path(name) / "redis", redis_url) as opened_redis_url,
        open_databases(Path(name), database_url, kinds) as databases,
    ):
        surroundings = Bench(
            folder=Path(name),
            redis_url=opened_redis_url,
            secret=secrets.token_hex(32),
            rounds=rounds,
            console=Console(stderr=True),
            is_stop_asked=is_stop_asked,
        )
        for database in databases:
            migrate(surroundings, database)
        yield surroundings, databases
