"""The simulator's sender as a process of its own: paced, or as fast as it is answered.

Used for pacing, and for all load if there is no wrk. `python -m sync.devtools.bench.sender` reads one JSON object of
Order's fields from standard input and prints one of SentRequests'.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from yarl import URL

from sync.devtools.simulate.counts import SendCounts
from sync.devtools.simulate.sender import Plan, Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`rate_per_second` 0: as fast as answered, for `seconds`; with `is_once` until the bodies are used up."""

    url: str
    secret: str = field(repr=False)
    bodies: str  # the file of them
    connections: int
    rate_per_second: float = 0.0
    seconds: float
    is_once: bool
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequests:
    requests: int
    accepted: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    # When each body left, in their order, by the monotonic clock that all processes of a machine share.
    departures: list[float]


def send(order: Order) -> SentRequests:
    counts = SendCounts()
    departures: list[float] = []
    plan = Plan(
        url=URL(order.url),
        secret=order.secret.encode(),
        concurrency=order.connections,
        rate_per_second=order.rate_per_second,
        retry_seconds=(),
        headers=order.headers,
    )
    asyncio.run(Sender(plan, _bodies(order, departures), counts).send())
    return SentRequests(
        requests=counts.deliveries,
        accepted=counts.accepted,
        seconds=counts.seconds,
        p50_seconds=counts.latencies.percentile_seconds(50) or 0.0,
        p99_seconds=counts.latencies.percentile_seconds(99) or 0.0,
        departures=departures,
    )


def _bodies(order: Order, departures: list[float]) -> Iterator[bytes]:
    """Yield bodies, and note when each left: the sender asks for the next one at that moment."""
    bodies = [line.split(b" ", 1)[1] for line in Path(order.bodies).read_bytes().splitlines()]
    deadline = time.monotonic() + order.seconds
    while True:
        for body in bodies:
            if time.monotonic() > deadline:
                return
            yield body
            departures.append(time.monotonic())
        if order.is_once:
            return


def main() -> None:
    json.dump(asdict(send(Order(**json.load(sys.stdin)))), sys.stdout)


if __name__ == "__main__":
    main()
