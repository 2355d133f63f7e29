"""When the next batch begins. Pure.

A worker that keeps up would take what came while it applied the last batch, a few events, and the price of a
transaction and of the round trips around it would fall on so few. So it lets events gather, the longer the more come.
"""

# How far apart batches begin under full load, and in proportion to their rate where fewer events come. An event waits
# that long at the most before its batch begins.
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
