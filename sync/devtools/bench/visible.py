"""How long it takes from a POST to its row, at a fixed rate.

A reader of its own looks for the rows of every few messages, with a pause between looks that counts into the time.
So a row counts only once it is committed, and the figure is rather too high than too low.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from models.database import disposing, open_database
from models.tables import MESSAGES
from sync.devtools.bench.figures import MILLISECONDS, Figure, Target, Yardstick
from sync.devtools.bench.load import Bodies, send_beside, sign_bodies
from sync.devtools.bench.sender import Order, SentRequests
from sync.devtools.bench.servers import Database
from sync.devtools.bench.stage import Bench, Stage, Web
from sync.devtools.dev.processes import DevelopmentError
from sync.devtools.simulate.counts import Latencies
from sync.devtools.simulate.traffic import generate
from sync.events.event import EventType

CONNECTIONS = 64
LOOK_PAUSE_SECONDS = 0.002
# How many messages a second are looked for, and how many of them at a time.
PROBES_PER_SECOND = 200
PROBES_PER_LOOK = 64
LAST_ROW_SECONDS = 30
WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedMessage:
    position: int  # of its body in the list of all bodies
    message_id: str


class Rows:
    """Finds out when each probe's row can first be read, in roughly the order in which they are sent."""

    def __init__(self, connection: Connection, probes: Sequence[ProbedMessage]) -> None:
        self._connection = connection
        self._unseen = {probe.message_id: probe for probe in probes}
        self.seen_at: dict[int, float] = {}

    @property
    def are_complete(self) -> bool:
        return not self._unseen

    def look(self) -> None:
        message_ids = [message_id for _, message_id in zip(range(PROBES_PER_LOOK), self._unseen, strict=False)]
        with self._connection.begin():
            query = select(MESSAGES.c.message_id).where(MESSAGES.c.message_id.in_(message_ids))
            seen = self._connection.execute(query).scalars().all()
        now = time.monotonic()
        for message_id in seen:
            self.seen_at[self._unseen.pop(message_id).position] = now


def measure_visible(bench: Bench, stage: Stage, web: Web, *, rate: int, seconds: float) -> list[Figure]:
    """Return the median and the 99th percentile of the time from POST to visible row at `rate` events a second."""
    database = stage.database
    bench.say(f"end to end: {database.name}, from POST to row at {rate:,} events/s for {seconds:g} s")
    count = int(rate * (seconds + WARM_UP_SECONDS))
    # One event a message, so that a row that is there is this event's.
    bodies = [delivery.body for delivery in generate(events=count, kinds={EventType.DELIVERED}, seed=rate)]
    first, every = rate * WARM_UP_SECONDS, max(1, rate // PROBES_PER_SECOND)
    probes = [ProbedMessage(position=at, message_id=_message_id(bodies[at])) for at in range(first, count, every)]
    signed = sign_bodies(bench.folder / "paced.txt", bodies, bench.secret)
    latencies, sent = _measure(stage, web, signed, probes, rate)
    return _figures(database, rate, latencies, sent, len(probes))


def _measure(
    stage: Stage, web: Web, bodies: Bodies, probes: Sequence[ProbedMessage], rate: int
) -> tuple[Latencies, SentRequests]:
    order = Order(
        url=web.url,
        secret=bodies.secret,
        bodies=str(bodies.path),
        connections=CONNECTIONS,
        rate_per_second=rate,
        seconds=3600,
        is_once=True,
    )
    with (
        disposing(open_database(stage.database.url, pool_size=1, is_read_only=True)) as engine,
        engine.connect() as connection,
    ):
        rows = Rows(connection, probes)
        sent = send_beside(stage.processes, order, watch=rows.look, pause_seconds=LOOK_PAUSE_SECONDS)
        if not stage.processes.wait_until(lambda: _are_seen(rows), seconds=LAST_ROW_SECONDS):
            raise DevelopmentError(f"some events were no rows {LAST_ROW_SECONDS} s after the last was sent")
    latencies = Latencies()
    for position, seen_at in rows.seen_at.items():
        latencies.add(seen_at - sent.departures[position])
    return latencies, sent


def _are_seen(rows: Rows) -> bool:
    rows.look()
    return rows.are_complete


def _message_id(body: bytes) -> str:
    message_id: str = json.loads(body)["data"]["message_id"]
    return message_id


def _figures(database: Database, rate: int, latencies: Latencies, sent: SentRequests, probes: int) -> list[Figure]:
    offered = sent.requests / sent.seconds
    note = f"{probes:,} messages looked for every {LOOK_PAUSE_SECONDS * MILLISECONDS:g} ms; {offered:,.0f}/s offered"
    targets = {(1000, 99): Target(at_most=250)}
    answers = {50: sent.p50_seconds, 99: sent.p99_seconds}
    return [
        Figure(
            part="end to end",
            name=f"{database.name}, from POST to row at {rate:,} events/s, p{percent}",
            value=(latencies.percentile_seconds(percent) or 0.0) * MILLISECONDS,
            unit="ms",
            yardsticks=(Yardstick(name="the answer to the POST", value=answers[percent] * MILLISECONDS),),
            target=targets.get((rate, percent)),
            note=note,
        )
        for percent in (50, 99)
    ]
