"""When the next batch begins. Pure.

A worker that keeps up would take what came while it applied the last batch, some tens of events, and the price of a
transaction and of the round trips around it would fall on so few. Under load it therefore lets events gather.
"""

# How far apart batches begin under load. An event waits that long at the most before its batch begins.
PACE_SECONDS = 0.1
# What counts as load. Slower than that nothing waits: a core has time enough then to apply events as they come.
LOAD_EVENTS_PER_SECOND = 2000
# Over less time a few events that happen to come together would look like many a second.
GATHERED_SECONDS_MIN = 0.01


def pause_seconds(events: int, batch_size: int, *, gathered_seconds: float, taken_seconds: float) -> float:
    """Return how long to let events gather after a batch of `events`, which had come within `gathered_seconds`.

    `taken_seconds` have passed since that batch began. Behind a full one, of `batch_size` or more, nothing waits:
    enough have gathered already.
    """
    is_under_load = events >= LOAD_EVENTS_PER_SECOND * max(gathered_seconds, GATHERED_SECONDS_MIN)
    if not is_under_load or events >= batch_size:
        return 0.0
    return max(0.0, PACE_SECONDS - taken_seconds)
