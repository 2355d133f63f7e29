"""The marks in Redis: written by web, read by all who ask whether deliveries can be acknowledged."""

from collections.abc import Sequence
from typing import Any

from redis import Redis

from sync.provider.outages.marks import Gap, OutageKind, RedisMarks, believed
from sync.queue.counts import LATEST_KEY

REACHABLE = "reachable"  # in LATEST_KEY
GAPS_KEY = "zexa-sync:gaps"  # a hash: of a gap's begin its end and kind, until it stands in the database
_FORGOTTEN = "?"  # for a begin that Redis does not remember


def read_marks(redis: Redis) -> RedisMarks:
    """Return what Redis knows, in one round trip. Raises Redis' errors."""
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.zscore(LATEST_KEY, REACHABLE)
        pipeline.hgetall(GAPS_KEY)
        latest, gaps = pipeline.execute()
    return RedisMarks(latest=latest, gaps=tuple(_gaps(gaps)))


def leave_mark(redis: Redis, at: float, *, marks: RedisMarks, gap: Gap | None) -> None:
    """Mark `at`, and with it the `gap` that ends there. Raises Redis' errors: a refused mark is none.

    Of several processes that find one gap, the first that says when it ended is right.
    """
    is_ahead = marks.latest is not None and believed(marks.latest, at) is None
    with redis.pipeline() as pipeline:
        pipeline.zadd(LATEST_KEY, {REACHABLE: at}, gt=not is_ahead)
        if gap:
            pipeline.hsetnx(GAPS_KEY, _name(gap), f"{gap.ended:.3f} {gap.kind}")
        pipeline.execute()


def forget_gaps(redis: Redis, gaps: Sequence[Gap]) -> None:
    """Forget `gaps`, which stand in the database. Raises Redis' errors."""
    if gaps:
        redis.hdel(GAPS_KEY, *map(_name, gaps))


def _name(gap: Gap) -> str:
    return _FORGOTTEN if gap.began is None else f"{gap.began:.3f}"


def _gaps(fields: dict[bytes, bytes]) -> list[Gap]:
    gaps: list[Any] = []
    for name, text in fields.items():
        ended, kind = text.decode().split()
        began = None if name.decode() == _FORGOTTEN else float(name)
        gaps.append(Gap(began=began, ended=float(ended), kind=OutageKind(kind)))
    return sorted(gaps, key=lambda gap: gap.ended)
