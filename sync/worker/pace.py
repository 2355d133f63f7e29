"""When the next batch begins. Pure.

A worker that keeps up would take only the few events that came while it applied the last batch. These few would bear
the price of a transaction and of the round trips around it. So the worker lets events gather, the longer the more come.
"""

# How far apart batches begin under full load. If fewer events come, the distance shrinks in proportion to their rate.
# An event waits at most this long before its batch begins.
PACE_SECONDS = 0.1
FULL_LOAD_EVENTS_PER_SECOND = 2000
# Over less time a few events that happen to come together would look like many a second.
GATHERED_SECONDS_MIN = 0.01


def pause_seconds(events: int, batch_size: int, *, gathered_seconds: float, taken_seconds: float) -> float:
    """Return how long to let events gather after a batch of `events`, which had come within `gathered_seconds`.

    `taken_seconds` have passed since that batch began. Behind a full one, of `batch_size` or more, nothing waits:
    enough have gathered already.
    """
    if events >= batch_size:
        return 0.0
    events_per_second = events / max(gathered_seconds, GATHERED_SECONDS_MIN)
    apart = PACE_SECONDS * min(1.0, events_per_second / FULL_LOAD_EVENTS_PER_SECOND)
    return max(0.0, apart - taken_seconds)
