"""How soon a STOP holds while a great many other events wait in front of the worker."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import Engine, text

from sync.devtools.bench.figures import MILLISECONDS, Figure, Target
from sync.devtools.bench.servers import Database
from sync.devtools.bench.stage import Bench, Stage, open_stage
from sync.devtools.dev.processes import DevelopmentError
from sync.devtools.dev.proof import SampleDelivery, post
from sync.devtools.simulate.counts import Latencies
from sync.devtools.simulate.traffic import generate
from sync.events.event import EventType
from sync.events.raw import RawEvent
from sync.events.signature import sign

PART = "opt-outs"
OPT_OUTS_MAX = 100
# So many deliveries are applied, with room to spare, from one opt-out to the next.
DELIVERIES_PER_OPT_OUT = 4000
GROUP_EVENTS = 200
PAUSE_SECONDS = 0.05
LOOK_PAUSE_SECONDS = 0.002
HOLDS_SECONDS = 60


def measure_opt_outs_first(bench: Bench, database: Database, *, backlog: int) -> list[Figure]:
    """Return the time from the POST of an opt-out to its row in `active_opt_outs`, one worker, `backlog` events queued.

    Opt-outs are sent one after the other, each once the one before holds, so a look at the tables counts into
    the time. Refuses figures of a queue that ran empty meanwhile.
    """
    number = max(1, min(OPT_OUTS_MAX, backlog // DELIVERIES_PER_OPT_OUT))
    bench.say(f"opt-outs: {database.name}, queueing {backlog:,} deliveries")
    with open_stage(bench, database) as stage:
        stage.enqueue_groups(_groups(backlog))
        web = stage.start_webs()[0]
        stage.start_workers(1)
        stage.release()
        bench.say(f"opt-outs: {database.name}, {number} opt-outs behind them")
        latencies = Latencies()
        for turn in range(number):
            latencies.add(_seconds_until_it_holds(stage, turn, web.port, bench.secret))
            time.sleep(PAUSE_SECONDS)
        events_left = stage.client.llen(stage.queue.key) * GROUP_EVENTS
    if not events_left:
        raise DevelopmentError(
            f"the worker applied all {backlog:,} events before the last opt-out: give a larger backlog"
        )
    return [_figure(database, latencies, percent, backlog, events_left) for percent in (50, 99)]


def _groups(backlog: int) -> Iterator[list[RawEvent]]:
    now = datetime.now(UTC)
    deliveries = generate(events=backlog, kinds={EventType.DELIVERED})
    raw_events = (RawEvent(body=delivery.body, received_at=now) for delivery in deliveries)
    return iter(lambda: list(islice(raw_events, GROUP_EVENTS)), [])


def _seconds_until_it_holds(stage: Stage, number: int, port: int, secret: str) -> float:
    address = f"+2449900{number:05}"
    body = json.dumps(
        {
            "event": EventType.OPT_OUT,
            "timestamp": datetime.now(UTC).isoformat(),
            "data": {"message_id": f"msg_stop_{number}", "channel": "sms", "to": address},
        }
    ).encode()
    delivery = SampleDelivery(message_id="", body=body, signature=sign(body, secret.encode()).decode())
    begun = time.monotonic()
    if post(delivery, port) != 200:
        raise DevelopmentError("an opt-out was not acknowledged")
    while not _holds(stage.engine, address):
        if time.monotonic() - begun > HOLDS_SECONDS:
            raise DevelopmentError(f"an opt-out did not hold within {HOLDS_SECONDS} s")
        time.sleep(LOOK_PAUSE_SECONDS)
    return time.monotonic() - begun


def _holds(engine: Engine, address: str) -> bool:
    query = text("SELECT 1 FROM active_opt_outs WHERE address = :address")
    with engine.connect() as connection:
        return connection.execute(query, {"address": address}).first() is not None


def _figure(database: Database, latencies: Latencies, percent: int, backlog: int, events_left: int) -> Figure:
    return Figure(
        part=PART,
        name=f"{database.name}, from POST to row behind {backlog:,} deliveries, p{percent}",
        value=(latencies.percentile_seconds(percent) or 0) * MILLISECONDS,
        unit="ms",
        target=Target(at_most=1000) if percent == 99 else None,
        note=f"{latencies.count} opt-outs; {events_left:,} deliveries still waited after the last",
    )
