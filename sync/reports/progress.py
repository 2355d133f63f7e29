"""How far a campaign had come when: how many of its messages had ended by each moment, and how.

Read from the messages themselves if they are few, else from a roll-up by quarters of an hour: never without bound.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from math import ceil
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select, union_all

from models.tables import MESSAGES, ROLLUP_CAMPAIGN_QUARTERS, ROLLUP_DELTAS
from sync.rollups.contribution import FINAL

# Of so many messages the exact times are read.
COUNTED_MAX = 5_000
# Of more, so many quarters of an hour: some fifty days without a pause.
QUARTERS_MAX = 5_000
STEPS_MAX = 36
INTERVALS = tuple(
    timedelta(seconds=seconds)
    for seconds in (10, 30, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400, 28 * 86_400)
)
_QUARTER = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
# A Monday, so that weeks begin on Mondays.
_EPOCH = datetime(2000, 1, 3)  # noqa: DTZ001 - by the clocks of any zone

Counts = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressStep:
    """What ended from `begins_at` on until `ends_at`: (delivered, failed, undeliverable); `so_far` with all before."""

    begins_at: datetime
    ends_at: datetime
    counts: Counts
    so_far: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignProgress:
    """Steps of one `interval` without a gap; `is_cut` says that there are later ones."""

    interval: timedelta
    steps: tuple[ProgressStep, ...]
    is_cut: bool = False

    def reached(self, share: float) -> ProgressStep | None:
        """Return the step by whose end `share` of those that ended had ended; None if nothing has."""
        total = sum(self.steps[-1].so_far) if self.steps else 0
        return next((step for step in self.steps if sum(step.so_far) >= share * total), None) if total else None


def report_progress(
    connection: Connection, campaign_id: str, *, finalised: int, since: datetime | None, zone: ZoneInfo
) -> CampaignProgress:
    """Return how far the campaign had come when. It has `finalised` messages that ended, and was sent at `since`."""
    if finalised <= COUNTED_MAX:
        counts_at, least = _read_messages(connection, campaign_id), INTERVALS[0]
    else:
        counts_at, least = _read_quarters(connection, campaign_id), _QUARTER
    is_cut = finalised > COUNTED_MAX and len(counts_at) == QUARTERS_MAX
    return progress_of(counts_at, since=since, least=least, zone=zone, is_cut=is_cut)


def _read_messages(connection: Connection, campaign_id: str) -> Sequence[tuple[datetime, Counts]]:
    columns = MESSAGES.c
    query = select(columns.status_at, columns.status).where(
        columns.campaign_id == campaign_id, columns.status.in_(FINAL), columns.status_at.is_not(None)
    )
    rows = connection.execute(query.limit(COUNTED_MAX))
    return [(row.status_at, _counts_of_one(row.status)) for row in rows]


def _counts_of_one(status: str) -> Counts:
    return (int(status == FINAL[0]), int(status == FINAL[1]), int(status == FINAL[2]))


def _read_quarters(connection: Connection, campaign_id: str) -> Sequence[tuple[datetime, Counts]]:
    parts = union_all(
        *(
            select(table.c.quarter_at, *(table.c[name] for name in FINAL)).where(
                table.c.campaign_id == campaign_id, table.c.quarter_at.is_not(None)
            )
            for table in (ROLLUP_CAMPAIGN_QUARTERS, ROLLUP_DELTAS)
        )
    ).subquery()
    sums = select(parts.c.quarter_at, *(func.sum(parts.c[name]) for name in FINAL)).group_by(parts.c.quarter_at)
    rows = connection.execute(sums.order_by(parts.c.quarter_at).limit(QUARTERS_MAX))
    return [(at, (int(delivered), int(failed), int(undeliverable))) for at, delivered, failed, undeliverable in rows]


def progress_of(
    counted: Iterable[tuple[datetime, Counts]],
    *,
    since: datetime | None,
    least: timedelta,
    zone: ZoneInfo,
    is_cut: bool = False,
) -> CampaignProgress:
    """Return what was `counted` in steps that begin at round times of `zone`.

    The interval is the shortest one with few enough steps.
    """
    ended = [(at, counts) for at, counts in counted if any(counts)]
    if not ended:
        return CampaignProgress(interval=least, steps=())
    first, last = min(at for at, _ in ended), max(at for at, _ in ended)
    if since is not None:
        first = min(first, since)
    interval = _interval(max(last - first, _local(last, zone) - _local(first, zone)), least)
    clocks = zone if interval > _HOUR else _still(zone, first)
    begin = (_local(first, clocks) - _EPOCH) // interval
    sums = [(0, 0, 0)] * ((_local(last, clocks) - _EPOCH) // interval - begin + 1)
    for at, counts in ended:
        place = (_local(at, clocks) - _EPOCH) // interval - begin
        sums[place] = _plus(sums[place], counts)
    begins = [_EPOCH + (begin + number) * interval for number in range(len(sums) + 1)]
    times = [time.replace(tzinfo=clocks).astimezone(UTC) for time in begins]
    return CampaignProgress(interval=interval, steps=tuple(_steps(times, sums)), is_cut=is_cut)


def _local(at: datetime, clocks: tzinfo) -> datetime:
    return at.astimezone(clocks).replace(tzinfo=None)


def _still(zone: ZoneInfo, at: datetime) -> tzinfo:
    """Return the clocks of `zone` as they are at `at`, and never change: no step comes twice or is left out."""
    return timezone(at.astimezone(zone).utcoffset() or timedelta())


def _interval(length: timedelta, least: timedelta) -> timedelta:
    longest = INTERVALS[-1]
    enough = (interval for interval in INTERVALS if interval >= least and length // interval + 2 <= STEPS_MAX)
    return next(enough, longest * ceil(length / (longest * (STEPS_MAX - 2))))


def _steps(times: Sequence[datetime], sums: Sequence[Counts]) -> Iterator[ProgressStep]:
    so_far = (0, 0, 0)
    for place, counts in enumerate(sums):
        so_far = _plus(so_far, counts)
        yield ProgressStep(begins_at=times[place], ends_at=times[place + 1], counts=counts, so_far=so_far)


def _plus(left: Counts, right: Counts) -> Counts:
    return (left[0] + right[0], left[1] + right[1], left[2] + right[2])
