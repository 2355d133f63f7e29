"""How long the reports take with many messages in the tables, beside counting the same from the messages."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, Table, func, insert, select, text

from models.database import disposing, open_database
from models.report_views import REPORT_RECIPIENTS
from models.tables import ROLLUP_DELTAS
from sync.devtools.bench.figures import Figure, Target, Yardstick, middle
from sync.devtools.bench.report_rows import FACTS_PER_MESSAGE, fill
from sync.devtools.bench.servers import Database, empty, settle
from sync.devtools.bench.stage import Bench
from sync.reports.queries import REPORTS, ReportSelection
from sync.rollups.compact import compact
from sync.rollups.recount import remake
from sync.settings.worker import DEFAULT_REPORT_TIMEZONE

PART = "reports"
PLAIN = "counted from the messages"
# About what waits between two compactions while a worker is at its fastest.
WAITING_DELTAS = 5000
# Of the daily and the campaign report; the others have no target.
TARGET = Target(at_most=100)

Ask = Callable[[Connection], object]


def measure_reports(bench: Bench, database: Database, *, messages: Sequence[int]) -> list[Figure]:
    """Return how many milliseconds each report takes with each of so many messages in the tables."""
    with disposing(open_database(database.url)) as engine:
        figures = []
        for number in messages:
            if number:
                empty(engine)
                figures += _measure(bench, database, engine, number)
        bench.say("reports: removing all of it")
        empty(engine)
    return figures


def _measure(bench: Bench, database: Database, engine: Engine, messages: int) -> list[Figure]:
    now = datetime.now(UTC)
    fill(bench, engine, messages, now)
    about = f"{database.name}, {messages:,} messages, {messages * FACTS_PER_MESSAGE:,} facts"
    bench.say(f"reports: {about}, counting the roll-ups anew")
    begun = time.monotonic()
    remake(engine, DEFAULT_REPORT_TIMEZONE)
    anew = Figure(part=PART, name=f"{about}: the roll-ups counted anew", value=_since(begun), unit="ms")
    if database.kind == "postgresql":
        settle(engine, "rollup_daily, rollup_campaigns, rollup_campaign_quarters, rollup_deltas")
    let_deltas_wait(engine, now)
    month = ReportSelection(since=(now - timedelta(days=30)).date())
    figures = [anew]
    for name, ask, plain in (
        ("report_daily, all days", _report("daily", ReportSelection()), "rollup_daily_plain"),
        ("report_daily, 30 days", _report("daily", month), None),
        ("report_campaigns, all", _report("campaigns", ReportSelection()), "rollup_campaigns_plain"),
        ("report_campaigns, 30 days", _report("campaigns", month), None),
        ("report_opt_outs, 30 days", _report("opt-outs", month), None),
        ("report_failures, all days", _report("failures", ReportSelection()), None),
        ("report_failures, 30 days", _report("failures", month), None),
        ("report_lag, 1 day", _report("lag", ReportSelection(since=(now - timedelta(days=1)).date())), None),
        ("report_recipients, 3 failures in a row", _count_failing, None),
    ):
        bench.say(f"reports: {about}, {name}")
        yardsticks = () if plain is None else (Yardstick(name=PLAIN, value=_time(bench, engine, _all_of(plain), 1)),)
        figures.append(
            Figure(
                part=PART,
                name=f"{about}: {name}",
                value=_time(bench, engine, ask, bench.rounds),
                unit="ms",
                yardsticks=yardsticks,
                target=TARGET if name.startswith(("report_daily", "report_campaigns")) else None,
                note="" if plain is None else f"{WAITING_DELTAS:,} deltas waiting",
            )
        )
    return [*figures, _measure_compact(bench, engine, about)]


def let_deltas_wait(engine: Engine, now: datetime) -> None:
    """Deltas of the last hours that cancel each other, so that every figure stays what it is."""
    counts = {"failed": 0, "undeliverable": 0, "unfinished": 0, "opt_outs": 0, "conflicts": 0}
    deltas = [
        {
            "quarter_at": now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=number // 2 % 8),
            "channel": "sms",
            "sender": f"SENDER {number // 2 % 3}",
            "campaign_id": f"cmp_{number // 2 % 100}",
            "delivered": 1 if number % 2 else -1,
            **counts,
        }
        for number in range(WAITING_DELTAS)
    ]
    with engine.begin() as connection:
        connection.execute(insert(ROLLUP_DELTAS), deltas)


def _report(name: str, selection: ReportSelection) -> Ask:
    return lambda connection: REPORTS[name](connection, selection)


def _all_of(view: str) -> Ask:
    return lambda connection: connection.execute(text(f"SELECT * FROM {view}")).all()  # noqa: S608 - our own names


def _count_failing(connection: Connection) -> object:
    view: Table = REPORT_RECIPIENTS
    return connection.execute(select(func.count()).where(view.c.failures_in_a_row >= 3)).scalar_one()


def _time(bench: Bench, engine: Engine, ask: Ask, rounds: int) -> float:
    """Return the median of milliseconds until all rows are in Python; the first time fills caches and is left out."""
    milliseconds = []
    for _ in range(rounds + 1):
        with engine.connect() as connection:
            begun = time.monotonic()
            ask(connection)
            milliseconds.append(_since(begun))
        if bench.is_stop_asked():
            break
    return middle(milliseconds[1:] or milliseconds)


def _measure_compact(bench: Bench, engine: Engine, about: str) -> Figure:
    bench.say(f"reports: {about}, compacting")
    begun = time.monotonic()
    count = compact(engine)
    return Figure(part=PART, name=f"{about}: {count:,} deltas compacted", value=_since(begun), unit="ms")


def _since(begun: float) -> float:
    return (time.monotonic() - begun) * 1000
