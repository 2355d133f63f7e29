"""What is counted in a process, and the commands by which Redis adds it up."""

import time
from collections import Counter

from sync.queue.counts import (
    COUNTS_KEY,
    LAG_BOUNDS,
    Command,
    Counts,
    Pending,
    accepted,
    fingerprint,
    lag_place,
    minute_key,
)

NOW = 1_800_000_030.0
MINUTE = 30_000_000


def added(commands: list[Command], key: str) -> Counter[str]:
    return Counter({command[2]: command[3] for command in commands if command[:2] == ("HINCRBY", key)})


def test_what_was_counted_is_added_once_to_the_whole_and_once_to_its_minute() -> None:
    counts = Counts()
    counts.add("code:403", "refused:wrong", at=NOW)
    counts.add("code:403", "refused:wrong", at=NOW - 60)
    commands = counts.take().commands(NOW)
    assert added(commands, COUNTS_KEY) == {"code:403": 2, "refused:wrong": 2}
    for minute in (MINUTE, MINUTE - 1):
        assert added(commands, minute_key(minute)) == {"code:403": 1, "refused:wrong": 1}
    assert not counts
    assert counts.take().commands(NOW) == []


def test_what_could_not_be_sent_is_sent_later_and_for_the_minute_in_which_it_happened() -> None:
    counts = Counts()
    counts.add("code:503", at=NOW - 120)
    failed = counts.take()
    counts.add("code:503", at=NOW)
    counts.restore(failed)
    commands = counts.take().commands(NOW)
    assert added(commands, COUNTS_KEY) == {"code:503": 2}
    assert added(commands, minute_key(MINUTE - 2)) == {"code:503": 1}


def test_what_is_older_than_an_hour_counts_for_the_whole_alone() -> None:
    counts = Counts()
    counts.add("code:503", at=NOW - 3600)
    commands = counts.take().commands(NOW)
    assert added(commands, COUNTS_KEY) == {"code:503": 1}
    assert not [command for command in commands if str(command[1]).startswith("zexa-sync:minute:")]


def test_what_waits_for_redis_for_days_takes_no_more_room_than_an_hour() -> None:
    counts = Counts()
    now = time.time()
    for minutes in range(3 * 24 * 60):
        counts.add("code:503", at=now - 60 * minutes)
    counts.restore(counts.take())
    taken_counts = counts.take()
    assert len(taken_counts.minutes) <= 62
    assert added(taken_counts.commands(now), COUNTS_KEY) == {"code:503": 3 * 24 * 60}


def test_the_latest_time_is_kept_whichever_comes_first() -> None:
    pending = Pending()
    pending.see("delivery", 5.0)
    pending.see("delivery", 3.0)
    assert pending.latest == {"delivery": 5.0}


def test_accepted_deliveries_go_with_what_is_pending_and_leave_that_as_it_is() -> None:
    pending = Pending()
    pending.add(Counter({"code:403": 1}), NOW)
    assert added(accepted(pending, 7, NOW), COUNTS_KEY) == {"code:403": 1, "code:200": 7}
    assert added(pending.commands(NOW), COUNTS_KEY) == {"code:403": 1}


def test_a_lag_is_counted_under_the_first_bound_that_it_does_not_exceed() -> None:
    lags = (0.0, LAG_BOUNDS[0], LAG_BOUNDS[0] + 0.001, 1e9)
    assert [lag_place(seconds) for seconds in lags] == [0, 0, 1, len(LAG_BOUNDS)]


def test_a_fingerprint_is_that_of_one_secret_and_tells_nothing_of_it() -> None:
    assert fingerprint(b"one") == fingerprint(b"one") != fingerprint(b"two")
    assert len(fingerprint(b"one")) == 12
