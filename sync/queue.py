"""The hand-off: puts raw events on the queue. The one module that knows RQ's producer side.

A job is one or more raw events, as JSON. Nothing of an event stands in the job's description, which RQ
shows and logs.
"""

from collections.abc import Sequence

from redis import BlockingConnectionPool, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry as RedisRetry
from rq import Queue, Retry

from sync.environment import RedisSettings
from sync.raw_events import RawEvent, to_json

QUEUE_NAME = "zexa"
SERIALIZER = "json"  # never pickle: whoever can write to Redis could run code
JOB_FUNCTION = "sync.applier.apply_job"  # by name: the web process does not load the worker

# How often a job is taken again after the worker that held it died. Without an interval between tries RQ
# moves the job in one step; with one there is a moment in which it is in no list.
RETRIES_MAX = 25


class QueueUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """Redis did not confirm the job; it may still have been stored."""


def connect(settings: RedisSettings, *, connections: int, seconds: float) -> Redis:
    """Return a client of at most `connections` connections; nothing is connected yet.

    A command waits `seconds` for a free connection, as long to connect and as long for an answer, and is
    tried once more on a broken connection: five times `seconds` at the worst.
    """
    options = parse_url(settings.url)
    if options.get("connection_class") is SSLConnection and not settings.verify_tls:
        options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    pool = BlockingConnectionPool(
        **options
        | {
            "max_connections": connections,
            "timeout": seconds,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "socket_keepalive": True,
            "retry": RedisRetry(NoBackoff(), 1),
        }
    )
    return Redis(connection_pool=pool)


def open_queue(connection: Redis) -> Queue:
    """Return the one queue, as producers and workers both name it."""
    return Queue(QUEUE_NAME, connection=connection, serializer=SERIALIZER)


def enqueue(queue: Queue, raw_events: Sequence[RawEvent], *, at_front: bool) -> None:
    """Put `raw_events` on the queue as one job, in one round trip; return once Redis confirmed it.

    `at_front` jobs are taken before everything that waits. Raises QueueUnavailable.
    """
    job = Queue.prepare_data(
        JOB_FUNCTION,
        args=(to_json(raw_events),),
        timeout=-1,  # the worker bounds its own time; an alarm in the middle of a transaction helps nobody
        result_ttl=0,
        failure_ttl=-1,  # a failed job waits for a person, however long
        description=f"{len(raw_events)} raw event(s)",
        at_front=at_front,
        retry=Retry(max=RETRIES_MAX, enqueue_at_front=at_front),
    )
    try:
        queue.enqueue_many([job])
    except RedisError as error:
        raise QueueUnavailable(type(error).__name__) from None
