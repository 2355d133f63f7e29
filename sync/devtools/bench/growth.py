"""Does it stay as fast as the tables grow, and what does a queued event take of Redis?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, bindparam, text

from models.database import disposing, open_database
from models.types import UTCDateTime
from sync.devtools.bench.apply import ALONE, GROUP_EVENTS, generate_raw_events, measure_alone, measure_workers
from sync.devtools.bench.figures import Figure, Target, Yardstick, middle
from sync.devtools.bench.load import flood, sign_bodies
from sync.devtools.bench.servers import AS_BYTES, Database, empty, redis_figures, settle
from sync.devtools.bench.stage import Bench, open_stage
from sync.devtools.simulate.traffic import generate

PART = "growth"
FILL_STEP = 250_000
CONNECTIONS = 64
BURST_SECONDS = 3

# Ids lie scattered, as the provider's do: every insert meets another page of the index.
_SERIES = {
    "postgresql": "SELECT 'msg_' || substr(md5(n::text), 1, 16) AS id, n "
    "FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n",
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM series WHERE n < :last) "
    "SELECT 'msg_' || lower(hex(randomblob(8))) AS id, n FROM series",
}
_BODY = (
    """'{"event":"message.delivered","timestamp":"2026-06-24T10:05:00Z","data":{"message_id":"' || id || '","""
    """"channel":"sms","to":"+2449' || (10000000 + n) || '","campaign_id":"cmp_' || (n / 100) || '","""
    """"status":"delivered","delivered_at":"2026-06-24T10:04:55Z"}}'"""
)
_FILL_BODIES = (
    "INSERT INTO bodies (received_at, subject_id, event, body) "
    "SELECT :now, id, 'message.delivered', {body} FROM ({series}) AS made"
)
# SQLite computes no digests: any text as long takes the same room.
_DIGEST = {"postgresql": "encode(sha256(body), 'hex')", "sqlite": "lower(hex(randomblob(32)))"}
_FILL_EVENTS = (
    "INSERT INTO events (subject_id, event, occurred_at, received_at, applied_at, body_id, is_dated, outcome, digest) "
    "SELECT subject_id, event, :now, :now, :now, id, true, 'applied', {digest} FROM bodies WHERE id > :last"
)
_FILL_MESSAGES = (
    "INSERT INTO message_status (message_id, channel, recipient, campaign_id, status, status_at, delivered_at, "
    "conflict, updated_at) SELECT subject_id, 'sms', '+2449' || substr(subject_id, 5, 8), "
    "'cmp_' || substr(subject_id, 5, 4), 'delivered', :now, :now, false, :now "
    "FROM events WHERE applied_at = :now"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    ours: float
    alone: float


def measure_growth(bench: Bench, database: Database, *, events: int, messages: Sequence[int]) -> list[Figure]:
    """Return the rate of one worker with each of so many messages in the tables, and what a burst takes of Redis."""
    rates: dict[int, Rates] = {}
    with disposing(open_database(database.url)) as engine:
        empty(engine)
        filled = 0
        for number in sorted(messages):
            _fill(bench, engine, filled, number)
            filled = number
            bench.say(f"growth: {database.name}, applying with {number:,} messages in the tables")
            rates[number] = _measure_rates(bench, database, number, events)
        bench.say("growth: removing all of it")
        empty(engine)
    return [*_rate_figures(database, rates), _measure_queue(bench, database, events)]


def _measure_rates(bench: Bench, database: Database, messages: int, events: int) -> Rates:
    """Return the medians of rounds of events that all are new, and stay."""
    ours, alone = [], []
    for turn in range(bench.rounds):
        seeds = messages + 2 * turn + 1, messages + 2 * turn + 2
        events_for_workers, other = (generate_raw_events(events, seed=seed) for seed in seeds)
        alone.append(measure_alone(bench, database, other, keeps_rows=True))
        ours.append(
            measure_workers(
                bench, database, events_for_workers, workers=1, group=GROUP_EVENTS, keeps_rows=True
            ).per_second
        )
    return Rates(ours=middle(ours), alone=middle(alone))


def _fill(bench: Bench, engine: Engine, filled: int, number: int) -> None:
    """Bring the tables from `filled` to `number` messages, and let the database tidy up."""
    kind = engine.dialect.name
    body = AS_BYTES[kind].format(_BODY)
    for first in range(filled, number, FILL_STEP):
        bench.say(f"growth: filling the tables, {first:,} of {number:,} messages")
        last = min(first + FILL_STEP, number) - 1
        now = bindparam("now", datetime.now(UTC), type_=UTCDateTime())
        with engine.begin() as connection:
            last_id = connection.execute(text("SELECT coalesce(max(id), 0) FROM bodies")).scalar_one()
            fill = text(_FILL_BODIES.format(body=body, series=_SERIES[kind])).bindparams(now)
            connection.execute(fill, {"first": first, "last": last})
            fill = text(_FILL_EVENTS.format(digest=_DIGEST[kind])).bindparams(now)
            connection.execute(fill, {"last": last_id})
            connection.execute(text(_FILL_MESSAGES).bindparams(now))
    if kind == "postgresql" and number > filled:
        settle(engine, "events, bodies, message_status")


def _rate_figures(database: Database, rates: dict[int, Rates]) -> list[Figure]:
    least = min(rates)
    of_least = Yardstick(name=f"{least:,} messages", value=rates[least].ours, target=Target(at_least=0.8))
    return [
        Figure(
            part=PART,
            name=f"{database.name}, 1 worker, {number:,} messages in the tables",
            value=medians.ours,
            unit="events/s",
            yardsticks=(*([] if number == least else [of_least]), Yardstick(name=ALONE, value=medians.alone)),
        )
        for number, medians in rates.items()
    ]


def _measure_queue(bench: Bench, database: Database, events: int) -> Figure:
    """Return what one event takes of Redis after a burst that no worker takes."""
    bench.say("growth: a burst of events into the queue")
    deliveries = generate(events=events)
    bodies = sign_bodies(bench.folder / "burst.txt", (delivery.body for delivery in deliveries), bench.secret)
    with open_stage(bench, database) as stage:
        web = stage.start_webs()[0]
        before = redis_figures(stage.client, "memory")["used_memory"]
        load = flood(stage.processes, bodies, web.url, connections=CONNECTIONS, seconds=BURST_SECONDS)
        memory_bytes = redis_figures(stage.client, "memory")["used_memory"] - before
        jobs = stage.client.llen(stage.queue.key)
    return Figure(
        part=PART,
        name="Redis, per queued event",
        value=memory_bytes / load.accepted,
        unit="bytes",
        target=Target(at_most=500),
        note=f"{load.accepted:,} events of {bodies.bytes_mean:.0f} bytes in {jobs:,} jobs",
    )
