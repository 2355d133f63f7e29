"""What several pages say of numbers, in words. Pure."""

from collections.abc import Mapping
from datetime import datetime

from sync.status.numbers import InRedis, Numbers
from sync.terminal.times import duration_text


def refused_text(redis: InRedis | None) -> str:
    if redis is None:
        return "unknown"
    counts: Mapping[str, int] = {**redis.last_hour.refused, "not stored (503)": redis.last_hour.deliveries["503"]}
    return ", ".join(f"{number:,} {reason}" for reason, number in counts.items() if number) or "none"


def clocks_text(numbers: Numbers) -> str:
    stores = (("Redis", numbers.redis), ("the database", numbers.database))
    return ", ".join(f"{name} {_offset_text(store.clock_offset_seconds if store else None)}" for name, store in stores)


def _offset_text(offset: float | None) -> str:
    if offset is None:
        return "unknown"
    if abs(offset) < 1:
        return "agrees"
    return f"is {duration_text(abs(offset))} {'ahead of' if offset > 0 else 'behind'} this machine"


def ago(numbers: Numbers, at: datetime) -> str:
    return f"{duration_text(max(0.0, (numbers.looked_at - at).total_seconds()))} ago"
