"""Counts over all processes and hosts: gathered in a process, and sent to Redis with what goes there anyway.

What is counted while Redis is away stays here and is sent later. Redis adds up, by the whole time since it counts and
by the minute. Nothing counted names a person.
"""

import hashlib
import hmac
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

Command = tuple[Any, ...]

COUNTS_KEY = "zexa-sync:counts"  # a hash: counts since it exists
LATEST_KEY = "zexa-sync:latest"  # a sorted set: when something was seen last, in epoch seconds
SECRETS_KEY = "zexa-sync:secrets"  # a sorted set: since when a web process knows a secret, by its fingerprint
WEB_KEY = "zexa-sync:web"  # a sorted set: web processes, and when each was seen last
HOURS_KEY = "zexa-sync:hours"  # a hash: of each finished hour, what `sync.rollups.usual_gaps` makes of its bitmap
USUAL_GAPS_KEY = "zexa-sync:usual-gaps"  # a hash: seconds by the hour of the week
TAIL_KEY = "zexa-sync:tail"  # exists while somebody watches deliveries
TAIL_CHANNEL = "zexa-sync:deliveries"
# What is seen: a delivery of the provider's traffic, its test event, a delivery refused for a reason.
TRAFFIC = "traffic"
TEST_EVENT = "test"
REFUSED_PREFIX = "refused:"
SECRET_PREFIX = "secret:"  # noqa: S105 - no secret
# Who has which keys of ZEXA_FORGET_KEY, by their fingerprints: `forget_keys:web:0123456789abcdef`.
FORGET_KEYS_PREFIX = "forget_keys:"
SINCE = "since"
ACCEPTED = "code:200"

# The codes and reasons that an answer to a delivery may have, and what may become of an event.
CODES = ("200", "403", "413", "503")
REASONS = ("missing", "malformed", "wrong", "retired", "too_large")
OUTCOMES = ("applied", "ignored", "unchanged", "dead")

# Upper bounds of the histogram of seconds from received to applied; above the last there is only +Inf.
LAG_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0)
LAG_SUM = "lag:microseconds"
# Probes and test events; copies that came soon after the first, and by how many microseconds in all.
REHEARSALS = "rehearsals"
QUICK_COPIES = "quick_copies"
QUICK_COPIES_SUM = "quick_copies:microseconds"
# Messages that got their final status by asking.
RECONCILED = "reconciled"

MINUTE_SECONDS = 60
MINUTES_KEPT = 60
_MINUTE_EXPIRY_SECONDS = (MINUTES_KEPT + 5) * MINUTE_SECONDS
HOUR_SECONDS = 3600
# Seconds in which something was received are kept until what waited longest is surely applied.
_HOUR_EXPIRY_SECONDS = 3 * 24 * HOUR_SECONDS


def given_forget_keys(process: str, key_ids: Collection[str]) -> str:
    """Return the name under which a kind of process, `web` or `worker`, says which forget keys it was given."""
    return f"{FORGET_KEYS_PREFIX}{process}:{','.join(key_ids)}"


def minute_key(minute: int) -> str:
    """Return the hash that has the counts of one minute, numbered from 1970."""
    return f"zexa-sync:minute:{minute}"


def seconds_key(hour: int) -> str:
    """Return the bitmap of one hour, numbered from 1970: a bit is set if a delivery was received in that second."""
    return f"zexa-sync:seconds:{hour}"


def lag_field(place: int) -> str:
    return f"lag:{place}"


def fingerprint(secret: bytes) -> str:
    """Return a name for `secret` that tells nothing of it: positions change while one secret replaces another."""
    return hmac.new(secret, b"zexa-sync fingerprint of a webhook's secret", hashlib.sha256).hexdigest()[:12]


@dataclass(slots=True)
class Pending:
    """Counts that are not in Redis: by minute and name, the latest times by name, and seconds by their hour."""

    minutes: dict[int, Counter[str]] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    seconds: dict[int, set[int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.minutes or self.latest or self.seconds)

    def add(self, counts: Counter[str], at: float) -> None:
        minute = int(at) // MINUTE_SECONDS
        if counted := self.minutes.get(minute):
            counted.update(counts)
        else:
            self.minutes[minute] = Counter(counts)

    def see(self, name: str, at: float) -> None:
        if at > self.latest.get(name, 0.0):
            self.latest[name] = at

    def merge(self, other: "Pending") -> None:
        for minute, counts in other.minutes.items():
            self.add(counts, minute * MINUTE_SECONDS)
        for name, at in other.latest.items():
            self.see(name, at)
        for hour, seconds in other.seconds.items():
            self.seconds.setdefault(hour, set()).update(seconds)

    def commands(self, now: float) -> list[Command]:
        """Return the commands that add all of it in Redis."""
        commands: list[Command] = []
        if self.minutes:
            totals = Counter[str]()
            oldest = int(now) // MINUTE_SECONDS - MINUTES_KEPT
            for minute, counts in self.minutes.items():
                totals.update(counts)
                if minute > oldest:
                    key = minute_key(minute)
                    commands += [("HINCRBY", key, name, number) for name, number in counts.items()]
                    commands.append(("EXPIRE", key, _MINUTE_EXPIRY_SECONDS))
            commands.append(("HSETNX", COUNTS_KEY, SINCE, f"{now:.3f}"))
            commands += [("HINCRBY", COUNTS_KEY, name, number) for name, number in totals.items()]
        if self.latest:
            pairs = [part for name, at in self.latest.items() for part in (f"{at:.3f}", name)]
            commands.append(("ZADD", LATEST_KEY, "GT", *pairs))
        for hour, seconds in self.seconds.items():
            if (hour + 1) * HOUR_SECONDS > now - _HOUR_EXPIRY_SECONDS:
                key = seconds_key(hour)
                commands += [("SETBIT", key, second, 1) for second in sorted(seconds)]
                commands.append(("EXPIRE", key, _HOUR_EXPIRY_SECONDS))
        return commands


class Counts:
    """What one process counted and has not sent. Safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending = Pending()

    def add(self, *names: str, at: float | None = None) -> None:
        """Count each of `names` once."""
        self.add_all(Counter(names), at=at)

    def add_all(self, counts: Counter[str], *, at: float | None = None) -> None:
        with self._lock:
            self._pending.add(counts, time.time() if at is None else at)

    def see(self, name: str, *, at: float) -> None:
        """Note that `name` was seen at `at`."""
        with self._lock:
            self._pending.see(name, at)

    def receive(self, receipts: Iterable[float]) -> None:
        """Note the seconds in which deliveries were received."""
        with self._lock:
            for second in set(map(int, receipts)):
                hour, rest = divmod(second, HOUR_SECONDS)
                self._pending.seconds.setdefault(hour, set()).add(rest)

    def take(self) -> Pending:
        """Return what is pending, for the caller to send, or to `restore` if that failed."""
        with self._lock:
            pending, self._pending = self._pending, Pending()
        return pending

    def restore(self, pending: Pending) -> None:
        """Keep what could not be sent. Minutes that nobody will ask for become one: Redis may be away for long."""
        oldest = int(time.time()) // MINUTE_SECONDS - MINUTES_KEPT
        for minute in [minute for minute in pending.minutes if 0 < minute <= oldest]:
            pending.add(pending.minutes.pop(minute), 0.0)
        with self._lock:
            self._pending.merge(pending)

    def __bool__(self) -> bool:
        return bool(self._pending)


def lag_place(seconds: float) -> int:
    """Return the place in LAG_BOUNDS of the first bound that is not below `seconds`, or the one behind the last."""
    return bisect_left(LAG_BOUNDS, seconds)


def accepted(pending: Pending, number: int, now: float) -> list[Command]:
    """Return the commands for `number` deliveries that are accepted with them, and for what was `pending`."""
    key = minute_key(int(now) // MINUTE_SECONDS)
    return [
        *Pending(pending.minutes, pending.latest | {"delivery": now}, pending.seconds).commands(now),
        ("HSETNX", COUNTS_KEY, SINCE, f"{now:.3f}"),
        ("HINCRBY", COUNTS_KEY, ACCEPTED, number),
        ("HINCRBY", key, ACCEPTED, number),
        ("EXPIRE", key, _MINUTE_EXPIRY_SECONDS),
    ]
