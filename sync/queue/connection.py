"""Opens the queue. Nothing is connected before it is asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry as RedisRetry
from rq import Queue

from sync.settings.environment import RedisSettings

QUEUE_NAME = "zexa"


SERIALIZER = "json"  # never pickle: a client that can write to Redis could run code


class QueueUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """Redis did not confirm the job; it may still have been stored."""


def connect(settings: RedisSettings, *, connections: int, seconds: float) -> Redis:
    """Return a client of at most `connections` connections; nothing is connected yet.

    A command waits `seconds` for a free connection, as long to connect and as long for an answer. It is tried once more
    on a broken connection, so it takes five times `seconds` at the worst.
    """
    pool = BlockingConnectionPool(
        **connection_options(settings)
        | {
            "max_connections": connections,
            "timeout": seconds,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": RedisRetry(NoBackoff(), 1),
        }
    )
    return Redis(connection_pool=pool)


def connection_options(settings: RedisSettings, *, parse: Callable[[str], Any] = parse_url) -> dict[str, Any]:
    """Return what every connection is opened with: where to, and whether certificates are verified.

    `parse` reads the URL: redis.asyncio has one of its own, which names other classes.
    """
    options: dict[str, Any] = dict(parse(settings.url))
    if settings.url.startswith("rediss://") and not settings.verify_tls:
        options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    return options | {"socket_keepalive": True}


# The name under which other modules take an open queue, so that none of them knows RQ.
OpenQueue = Queue


def open_queue(connection: Redis) -> Queue:
    """Return the one queue, as producers and workers both name it."""
    return Queue(QUEUE_NAME, connection=connection, serializer=SERIALIZER)


@contextmanager
def opened_redis(settings: RedisSettings, *, connections: int = 1, seconds: float) -> Iterator[Redis]:
    """Yield what `connect` returns, and leave no connection open at the end."""
    connection = connect(settings, connections=connections, seconds=seconds)
    try:
        yield connection
    finally:
        connection.connection_pool.disconnect()


@contextmanager
def opened_queue(settings: RedisSettings, *, seconds: float) -> Iterator[Queue]:
    """Open the queue over one connection, and close that; `seconds` are those of `connect`."""
    with opened_redis(settings, seconds=seconds) as connection:
        yield open_queue(connection)


@contextmanager
def answered() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise QueueUnavailable(type(error).__name__) from None
