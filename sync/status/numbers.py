"""What is measured, as values. Every process shows these numbers; `sync.status` measures them once.

None stands for what cannot be known now: a store is away, or nothing was ever counted. It is never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.provider.outages.losses import KnownOutage, Loss, losses
from sync.provider.outages.marks import DatabaseMark, RedisMarks, unreachable_since
from sync.provider.outages.record import time_of
from sync.provider.outages.recorded import with_current
from sync.provider.outages.retries import RetrySchedule
from sync.status.opt_out_latency import Latency
from sync.suppression import Freshness

# What is off by more than this cannot be compared any more.
CLOCK_SECONDS_MAX = 5.0
# Work that somebody asked for is taken within about a second by a worker that is not busy with other work.
TASK_SECONDS_MAX = 60.0
# A worker, or a web process, that was not seen for so long is not counted as running.
SEEN_WITHIN = timedelta(minutes=1)
# A secret that matched nothing for so long, while another one did, signs no redelivery any more.
SAFE_TO_REMOVE_AFTER = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSeen:
    """A process that works, by its name, and when it was last seen."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesSeen:
    """Those of one kind that are known. `latest` is when any was seen, None if none was since Redis counts."""

    processes: tuple[ProcessSeen, ...]
    latest: datetime | None

    def running(self, now: datetime) -> int:
        return sum(now - process.at <= SEEN_WITHIN for process in self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """A histogram of seconds from received to applied: `buckets` are (upper bound, events up to it), the last +Inf."""

    buckets: tuple[tuple[float, int], ...]
    sum_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts over all processes and hosts since `since`, None if nothing was counted yet.

    `deliveries` by code of the answer ("200" "403" "413" "503"), `refused` by reason ("missing" "malformed" "wrong"
    "retired" "too_large"), `events` by outcome ("applied" "ignored" "unchanged" "dead"). Every name is there, with 0 if
    it was not counted. `reconciled` are messages that got their final status by asking: their events were lost.
    """

    since: datetime | None
    deliveries: Mapping[str, int]
    refused: Mapping[str, int]
    events: Mapping[str, int]
    conflicts: int
    late_events: int
    reconciled: int
    lag: Lag


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHour:
    """The same of the last hour, by the minute in which it happened.

    `probes_and_tests` of the applied events are no deliveries of the provider's traffic. Of the copies of bodies that
    are known already, `quick_copies` were received within 10 s of the first; the sum of their distances is
    `quick_copies_seconds`.
    """

    deliveries: Mapping[str, int]
    refused: Mapping[str, int]
    events: Mapping[str, int]
    probes_and_tests: int
    quick_copies: int
    quick_copies_seconds: float

    @property
    def accepted(self) -> int:
        return self.deliveries["200"]

    @property
    def refusals(self) -> int:
        """Return how many deliveries were not accepted, whatever the reason."""
        return sum(self.deliveries.values()) - self.accepted

    @property
    def are_most_refused(self) -> bool:
        return self.refusals > self.accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """A secret of ZEXA_WEBHOOK_SECRET by its position, from 1: since when `web` has it, and when it matched last."""

    position: int
    known_since: datetime | None
    matched_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InRedis:
    """What Redis knows.

    `oldest_waiting_at` is when the oldest event was received that waits in a job, None if none waits.
    `last_delivery_at` is of any accepted delivery; `last_counted_at` leaves out probes and test events. `secrets` is
    None if this process does not know ZEXA_WEBHOOK_SECRET. `usual_gap_seconds` is None until two weeks are known.
    `clock_offset_seconds` is Redis' clock minus ours, 0 if they cannot be told apart. `marked` is when a web process
    could acknowledge a delivery for the last time, in epoch seconds, None if none ever did.
    """

    queue_jobs: int
    failed_jobs: int
    oldest_waiting_at: datetime | None
    workers: ProcessesSeen
    web: ProcessesSeen
    totals: Totals
    last_hour: LastHour
    last_delivery_at: datetime | None
    last_counted_at: datetime | None
    usual_gap_seconds: float | None
    secrets: tuple[SecretUse, ...] | None
    clock_offset_seconds: float
    marked: float | None = None

    def replaced_since(self, secret: SecretUse) -> datetime | None:
        """Return since when `secret` matches nothing while another one does: it can go. None if it is not so."""
        since = secret.matched_at or secret.known_since
        others = (other.matched_at for other in self.secrets or () if other.position != secret.position)
        is_replaced = since and any(matched and matched - since > SAFE_TO_REMOVE_AFTER for matched in others)
        return since if is_replaced else None


@dataclass(frozen=True, slots=True, kw_only=True)
class InDatabase:
    """What the database knows: rows of the inbox, unresolved dead letters, and how soon STOPs took effect.

    `nameless_opt_outs` are STOPs that name no person. `ignored_opt_outs` are facts whose event no version knows, and
    whose name looks like an opt-out. Both are None if they were not asked for. All are counted up to COUNTED_MAX.
    `inbox_oldest_at` is when the oldest of its events was received, None if it is empty. `clock_offset_seconds` is its
    clock minus ours; SQLite has none. `outages` are the latest that are recorded, None if they were not asked for.
    `mark` is when a web process could acknowledge a delivery for the last time, as far as the database knows.
    `tasks_wait_since` is since when work that somebody asked for waits, None if none does or some is being done.
    """

    inbox_rows: int
    inbox_oldest_at: datetime | None
    dead_letters: int
    nameless_opt_outs: int | None
    ignored_opt_outs: int | None
    opt_out_latency: Latency | None
    clock_offset_seconds: float
    outages: tuple[KnownOutage, ...] | None = ()
    mark: DatabaseMark | None = None
    tasks_wait_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """All of it. `redis` or `database` is None if it did not answer."""

    looked_at: datetime
    freshness: Freshness
    redis: InRedis | None
    database: InDatabase | None

    @property
    def staleness_seconds(self) -> float | None:
        """Return how long ago the moment is up to which every acknowledged opt-out is reflected."""
        as_of = self.freshness.as_of
        return (self.looked_at - as_of).total_seconds() if as_of else None

    def is_stale(self, max_staleness_seconds: float) -> bool:
        """Return whether look-ups answer `unknown`, though both stores answer."""
        age = self.staleness_seconds
        return bool(self.redis and self.database) and (age is None or age > max_staleness_seconds)

    @property
    def lacks_workers(self) -> bool:
        """Return whether jobs wait and no worker runs."""
        return bool(self.redis and self.redis.queue_jobs and not self.redis.workers.running(self.looked_at))

    @property
    def silence_seconds(self) -> float | None:
        """Return for how long no delivery of the provider's traffic came; None if none ever did, or that is unknown."""
        last = self.redis and self.redis.last_counted_at
        return max(0.0, (self.looked_at - last).total_seconds()) if last else None

    @property
    def is_silent(self) -> bool | None:
        """Return whether the silence is longer than twice the usual gap; None if that cannot be known."""
        silence, usual = self.silence_seconds, self.redis.usual_gap_seconds if self.redis else None
        return None if silence is None or usual is None else silence > 2 * usual

    @property
    def outages(self) -> list[Loss] | None:
        """Return the latest outages, the one that lasts included, and what each may have cost.

        None if the database, which records them, does not answer, or was not asked for them.
        """
        if self.database is None or self.database.outages is None:
            return None
        marks = RedisMarks(latest=self.redis.marked) if self.redis else None
        since = unreachable_since(self.looked_at.timestamp(), marks, self.database.mark)
        lasting = None if since is None else time_of(since)
        known_outages = with_current(self.database.outages, lasting)
        return losses(known_outages, self.looked_at, RetrySchedule())

    @property
    def unreachable_since(self) -> datetime | None:
        """Return since when no delivery can be acknowledged, None if one can, or if that cannot be known."""
        return next((loss.outage.began_at for loss in self.outages or () if loss.outage.ended_at is None), None)

    @property
    def task_waits_seconds(self) -> float | None:
        """Return for how long work waits that somebody asked for, if that is too long though a worker runs."""
        since = self.database and self.database.tasks_wait_since
        if not since or not self.redis or not self.redis.workers.running(self.looked_at):
            return None
        waits = (self.looked_at - since).total_seconds()
        return waits if waits > TASK_SECONDS_MAX else None

    @property
    def clock_spread_seconds(self) -> float | None:
        """Return how far the clocks of this machine and of the stores that answer differ; None if none answers."""
        offsets = [store.clock_offset_seconds for store in (self.redis, self.database) if store]
        return max(0.0, *offsets) - min(0.0, *offsets) if offsets else None

    @property
    def do_clocks_differ(self) -> bool:
        return (self.clock_spread_seconds or 0.0) > CLOCK_SECONDS_MAX
