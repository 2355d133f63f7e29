"""Who may be messaged: the question applications ask before every send. It fails closed.

`check` and `is_suppressed` open the stores of DATABASE_URL and REDIS_URL on first use; `Lookup` takes given ones.
"""

import os
from collections.abc import Iterable
from datetime import timedelta
from functools import cache

from models.database import open_database
from sync.queue.connection import connect, open_queue
from sync.settings.database_url import read_database_url
from sync.settings.environment import read_redis_settings
from sync.settings.forget_keys import read_forget_keys
from sync.settings.worker import read_default_region
from sync.suppression.freshness import Freshness
from sync.suppression.lookup import MAX_STALENESS, Answer, Answers, Look, Lookup, LookupStatus, Match

__all__ = [
    "MAX_STALENESS",
    "Answer",
    "Answers",
    "Freshness",
    "Look",
    "Lookup",
    "LookupStatus",
    "Match",
    "check",
    "is_suppressed",
    "lookup",
]

CONNECTIONS = 4
STATEMENT_SECONDS = 30.0
REDIS_SECONDS = 1.0


@cache
def lookup() -> Lookup:
    """Return this process's look-up, with the settings of the environment. Raises SettingError.

    Do not use it in a process before that forks: connections are not to be shared.
    """
    return open_lookup(statement_seconds=STATEMENT_SECONDS, connections=CONNECTIONS)


def open_lookup(*, statement_seconds: float, connections: int) -> Lookup:
    """Return a look-up with the settings of the environment; nothing is connected yet. Raises SettingError."""
    engine = open_database(
        read_database_url(os.environ),
        pool_size=connections,
        pool_seconds=statement_seconds,
        statement_seconds=statement_seconds,
        busy_seconds=statement_seconds,
        is_read_only=True,
        is_tested_first=False,  # a look-up asks again by itself
    )
    client = connect(read_redis_settings(os.environ), connections=connections, seconds=REDIS_SECONDS)
    region, keys = read_default_region(os.environ), read_forget_keys(os.environ)
    return Lookup(engine, open_queue(client), default_region=region, forget_keys=keys)


def check(
    addresses: Iterable[str],
    channel: str | None = None,
    sender: str | None = None,
    max_staleness: timedelta | float = MAX_STALENESS,
) -> list[Answer]:
    """Return, for each of `addresses` in their order, whether it may be messaged: see `Lookup.check`."""
    return lookup().check(addresses, channel, sender, max_staleness)


def is_suppressed(
    address: str,
    channel: str | None = None,
    sender: str | None = None,
    max_staleness: timedelta | float = MAX_STALENESS,
) -> bool:
    """Return True unless `address` is known to be allowed: see `Lookup.check`."""
    return lookup().is_suppressed(address, channel, sender, max_staleness)
