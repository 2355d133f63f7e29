"""A trial: one fault under load, then every row of every table compared with what was acknowledged."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from rq.job import Job
from rq.registry import FailedJobRegistry
from sqlalchemy import Engine, column, func, select, table

from models.types import UTCDateTime
from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from tests.faults.load import Load, Sent
from tests.faults.oracle import Differences, Tables, differences, expected, stored
from tests.faults.servers import OwnRedis
from tests.faults.traffic import traffic
from tests.support.deliveries import Delivery
from tests.support.processes import Platform

SEED = 20260624
# How long the load runs before the fault, and goes on after it.
ACKNOWLEDGED_BEFORE = 1000
SECONDS_AFTER = 3
# A dead worker's jobs come back after some 20 to 40 s; the inbox gives back what Redis forgot after a minute.
SETTLE_SECONDS = 150
# Below this load, or if the load itself was kept from the processor for so long, durations are not judged.
PER_SECOND_MIN = 500
STALL_SECONDS_MAX = 1
GROUP_EVENTS = 200
# A test that hangs ends; one that is slow goes on.
HANG_SECONDS = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one trial. Of `misdated` events a row says that they were received when they were not."""

    fault: str
    database: str
    acknowledged: int  # events, their copies not counted
    missing: int
    too_many: int
    differing: int
    misdated: int
    redelivered: int  # deliveries that were not acknowledged at the first try
    per_second: float
    answer_seconds_max: float
    recovery_seconds: float  # from the end of the fault until what it held up was applied


@dataclass(slots=True, kw_only=True)
class Trial:
    """What a fault is tried on. `record` takes the outcome, for the table at the end of the run."""

    platform: Platform
    redis: OwnRedis
    reader: Engine
    record: Callable[[str, Any], None]
    sent: dict[bytes, Sent] = field(default_factory=dict, repr=False)
    fault_ended_at: float = 0.0

    @contextmanager
    def load(self, deliveries: Iterator[Delivery] | None = None) -> Iterator[Load]:
        """Hurt the servers within the block. After it all that was ever offered is acknowledged."""
        load = Load(self.platform.port, deliveries or traffic(SEED))
        load.start()
        try:
            load.wait_for(ACKNOWLEDGED_BEFORE)
            yield load
            self.fault_ended_at = time.time()
            time.sleep(SECONDS_AFTER)
            load.finish()
        finally:
            load.give_up()
        self.sent = load.sent

    def enqueue(self, deliveries: Iterable[Delivery]) -> None:
        """Put `deliveries` into the queue in large groups, as if they had waited there for long."""
        queue = open_queue(self.redis.client)
        group: list[RawEvent] = []
        for delivery in deliveries:
            raw = RawEvent(body=delivery.body, received_at=datetime.now(UTC))
            received_at = raw.received_at.timestamp()
            self.sent.setdefault(raw.body, Sent(delivery, received_at, received_at))
            group.append(raw)
            if len(group) == GROUP_EVENTS:
                enqueue(queue, group, at_front=False)
                group = []
        if group:
            enqueue(queue, group, at_front=False)
        self.fault_ended_at = time.time()

    def settle(self, fault: str, load: Load | None = None, *, seconds: float = SETTLE_SECONDS) -> Outcome:
        """Wait until nothing is left to apply; record the outcome, and require that nothing differs.

        Skips the rest of the test if the machine could not keep up with the load.
        """
        differences = self.differences(seconds)
        missing, too_many, differing = differences.counts
        recovery_seconds, misdated = self._times()
        outcome = Outcome(
            fault=fault,
            database=self.reader.dialect.name,
            acknowledged=len(self.sent),
            missing=missing,
            too_many=too_many,
            differing=differing,
            misdated=misdated,
            redelivered=load.redelivered if load else 0,
            per_second=load.per_second if load else len(self.sent) / recovery_seconds,
            answer_seconds_max=load.seconds_max if load else 0.0,
            recovery_seconds=recovery_seconds,
        )
        self.record("fault", asdict(outcome))
        assert not differences, differences
        assert not misdated, f"{misdated} rows say another time than that at which their event was received"
        assert not any(self._left().values()), f"Redis still holds {self._left()}"
        stall_seconds = load.stall_seconds_max if load else 0.0
        if outcome.per_second < PER_SECOND_MIN or stall_seconds > STALL_SECONDS_MAX:
            # Every row is right. Durations are judged only if the machine could keep up.
            pytest.skip(
                f"nothing is missing, but this machine is too slow or too busy for such a load: "
                f"{outcome.per_second:.0f} events/s, standing still for up to {stall_seconds:.1f} s"
            )
        return outcome

    def differences(self, seconds: float = SETTLE_SECONDS) -> Differences:
        """Wait until nothing is left to apply, at most `seconds` without any progress; return how the tables differ."""
        wanted = expected(sent.delivery for sent in self.sent.values())
        left, deadline = self._left_to_apply(wanted), time.monotonic() + seconds
        while any(left.values()) and time.monotonic() < deadline:
            time.sleep(0.5)
            before, left = left, self._left_to_apply(wanted)
            if left != before:
                deadline = time.monotonic() + seconds
        return differences(wanted, stored(self.reader))

    def count_applied(self, begin: float, end: float) -> int:
        """Return how many events are in the ledger by batches that began in this time."""
        applied_at = column("applied_at", UTCDateTime())
        with self.reader.connect() as connection:
            query = (
                select(func.count())
                .select_from(table("events"))
                .where(applied_at.between(datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)))
            )
            return connection.execute(query).scalar_one()

    def _left_to_apply(self, wanted: Tables) -> dict[str, int]:
        """How many rows each table lacks or has too many, and how many jobs Redis holds."""
        tables = {name: len(wanted[name]) - self._count(name) for name in ("inbox", "bodies", "dead_letters")}
        return {**tables, **self._left()}

    def _count(self, name: str) -> int:
        with self.reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(table(name))).scalar_one()

    def _left(self) -> dict[str, int]:
        """How many jobs Redis holds, by list."""
        queue = open_queue(self.redis.client)
        return {
            "queue": queue.count,
            "intermediate": self.redis.client.llen(queue.intermediate_queue_key),
            "failed": FailedJobRegistry(queue=queue).get_job_count(cleanup=False),
            "jobs": sum(1 for _ in self.redis.client.scan_iter(Job.key_for("*"), count=1000)),
        }

    def _times(self) -> tuple[float, int]:
        """Return when the last event of before the fault's end was applied, after that; and how many are misdated."""
        bodies = table("bodies", column("id"), column("body"), column("received_at", UTCDateTime()))
        times = [column(name, UTCDateTime()) for name in ("received_at", "applied_at")]
        events = table("events", column("body_id"), *times)
        query = select(bodies.c.body, bodies.c.received_at, events.c.received_at, events.c.applied_at)
        query = query.select_from(bodies.outerjoin(events, events.c.body_id == bodies.c.id))
        recovery_seconds, misdated = 0.0, 0
        with self.reader.connect() as connection:
            for body, of_body, of_event, applied_at in connection.execute(query):
                sent = self.sent.get(bytes(body))
                if sent is None:
                    continue  # which the comparison shows
                # The first copy that was received is kept, whichever was applied first.
                received = [moment.timestamp() for moment in (of_body, of_event) if moment]
                misdated += not all(sent.first_tried_at <= moment <= sent.acknowledged_at for moment in received)
                if applied_at and sent.first_tried_at <= self.fault_ended_at:
                    recovery_seconds = max(recovery_seconds, applied_at.timestamp() - self.fault_ended_at)
        return recovery_seconds, misdated
