"""What the tests of suppression share."""

from datetime import datetime

from redis import Redis
from sqlalchemy import Engine

from sync.events.interpretation import ParseOptions
from sync.store.apply import apply
from sync.suppression import Lookup
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.conftest import NOW
from tests.support.events_builder import ANA, AO, RECEIVED, RUI, body, minute, raw


def stop(to: str | None = ANA, at: float = 1, name: str = "message.optout", **data: object) -> bytes:
    return body(name, minute(at), **({"to": to} if to else {}), **data)


def give(engine: Engine, *bodies: bytes, received: datetime = RECEIVED, options: ParseOptions = AO) -> None:
    apply(engine, [raw(content, received) for content in bodies], options=options, now=NOW)


def work(engine: Engine, redis: Redis, options: ParseOptions = AO) -> None:
    """Apply all that waits in the queue."""
    EventWorker(redis, Applier(engine, options=options, batch_size=100), Stop()).work(burst=True)


def statuses(lookup: Lookup, *addresses: str, **scope: str) -> list[str]:
    return [str(answer.status) for answer in lookup.check(addresses, **scope)]


# How fresh it is


def as_of(lookup: Lookup) -> datetime:
    (answer,) = lookup.check([RUI])
    assert answer.as_of
    return answer.as_of
