"""A worker's chore: once a minute it learns from the hours that are over how long it usually is between deliveries."""

import time
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from sync.queue.counts import HOURS_KEY, USUAL_GAPS_KEY, seconds_key
from sync.rollups.usual_gaps import HOUR_SECONDS, HOURS_OF_WEEK, WEEKS_MAX, Hour, hour_of, usual_gaps

CHORE_SECONDS = 60
_LOCK_KEY = "zexa-sync:usual-gaps:lock"
# Hours this far back are looked at again: what waited long is counted for the hour in which it was received.
HOURS_LOOKED_AT = 48


def learn_usual_gaps(connection: Redis) -> None:
    """Learn the usual gaps anew, unless another worker did within CHORE_SECONDS. Raises nothing of Redis'."""
    try:
        if connection.set(_LOCK_KEY, 1, nx=True, ex=CHORE_SECONDS):
            _learn(connection, int(time.time()) // HOUR_SECONDS)
    except RedisError:
        return  # the next chore does it


def _learn(connection: Redis, current_hour: int) -> None:
    looked_at = range(current_hour - HOURS_LOOKED_AT, current_hour)
    bitmaps: Any = connection.mget([seconds_key(hour) for hour in looked_at])
    texts: Any = connection.hgetall(HOURS_KEY)
    stored = {int(hour): _hour(text) for hour, text in texts.items()}
    fresh = {
        hour: counted for hour, bitmap in zip(looked_at, bitmaps, strict=True) if (counted := hour_of(bitmap or b""))
    }
    changed = {hour: counted for hour, counted in fresh.items() if stored.get(hour) != counted}
    old = [hour for hour in stored if hour < current_hour - WEEKS_MAX * HOURS_OF_WEEK]
    gaps = usual_gaps(stored | fresh, current_hour)
    with connection.pipeline() as pipeline:
        if changed:
            pipeline.hset(
                HOURS_KEY, mapping={str(hour): " ".join(map(str, counted)) for hour, counted in changed.items()}
            )
        if old:
            pipeline.hdel(HOURS_KEY, *map(str, old))
        if gaps:
            pipeline.hset(USUAL_GAPS_KEY, mapping={str(place): seconds for place, seconds in gaps.items()})
        else:
            pipeline.delete(USUAL_GAPS_KEY)
        pipeline.execute()


def _hour(text: bytes) -> Hour:
    return Hour(*map(int, text.split()))
