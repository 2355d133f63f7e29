"""Counts what became of a batch, and when its events were received."""

import time
from collections import Counter

from sync.queue.counts import (
    LAG_SUM,
    QUICK_COPIES,
    QUICK_COPIES_SUM,
    REHEARSALS,
    TEST_EVENT,
    TRAFFIC,
    Counts,
    lag_field,
    lag_place,
)
from sync.store.tally import Tally

MICROSECONDS = 1_000_000


def count(tally: Tally, counts: Counts) -> None:
    """Count a batch that was committed just now."""
    now = time.time()
    numbers = Counter(
        {
            "events:applied": tally.applied,
            "events:ignored": tally.ignored,
            "events:unchanged": tally.unchanged,
            "events:dead": tally.dead,
            "conflicts": tally.conflicts,
            "late": tally.late,
            REHEARSALS: len(tally.rehearsals),
            QUICK_COPIES: len(tally.quick_copies),
            QUICK_COPIES_SUM: round(sum(tally.quick_copies) * MICROSECONDS),
        }
    )
    receipts = (*tally.receipts, *tally.rehearsals)
    # A clock behind that of the receiver cannot say that something was applied before it was received.
    lags = [max(0.0, now - received) for received in receipts]
    numbers.update(lag_field(lag_place(lag)) for lag in lags)
    numbers[LAG_SUM] += round(sum(lags) * MICROSECONDS)
    counts.add_all(+numbers, at=now)
    if tally.receipts:
        counts.receive(tally.receipts)
        counts.see(TRAFFIC, at=max(tally.receipts))
    if tally.tests:
        counts.see(TEST_EVENT, at=max(tally.tests))
