"""The provider's traffic as a stream of deliveries: events, copies of some, and their order. Pure and seeded.

The same arguments give the same bodies, byte for byte. A million events are never held at once.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random

from sync.devtools.simulate.provider import STORY_LENGTH, Provider
from sync.events.event import EventType

START = datetime(2026, 6, 24, 10, tzinfo=UTC)

# Stories begin within an hour of the start; all that occurs lies between the start and SPAN after it.
_BEGINNINGS = timedelta(hours=1)
SPAN = _BEGINNINGS + STORY_LENGTH

SHUFFLE_WINDOW = 20_000
COPY_DISTANCE_MAX = 1000

KINDS = {
    "delivered": EventType.DELIVERED,
    "failed": EventType.FAILED,
    "undeliverable": EventType.UNDELIVERABLE,
    "optout": EventType.OPT_OUT,
    "sent": EventType.CAMPAIGN_SENT,
    "completed": EventType.CAMPAIGN_COMPLETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one first request carries. `is_copy`: the provider delivers this event a second time."""

    kind: EventType
    body: bytes = field(repr=False)
    is_copy: bool = False


def generate(
    *,
    events: int,
    kinds: Collection[EventType] = frozenset(EventType),
    duplicates: float = 0.0,
    shuffle: bool = False,
    seed: int = 1,
    start: datetime = START,
) -> Iterator[Delivery]:
    """Yield `events` different events of `kinds`, no two about one fact, and copies of some of them.

    `duplicates` is the number of copies as a share of `events`, from 0 to 1. Without `shuffle` the order is
    roughly that in which the events occurred, and a copy follows within COPY_DISTANCE_MAX events. With `shuffle`
    the order is random within a moving window of SHUFFLE_WINDOW. Neither changes what the events are.
    `start` is aware. Ids depend on `kinds`, `seed` and `start`. So runs that differ in one of these have
    different messages.
    """
    if not kinds:
        raise ValueError("no kinds of events to generate")
    run = f"{seed} {start.timestamp()} {' '.join(sorted(kinds))}"
    deliveries = _deliveries(_random(run, "events"), kinds, events, start.astimezone(UTC))
    deliveries = _with_copies(deliveries, _random(run, "copies"), events, count_copies(events, duplicates))
    return _shuffled(deliveries, _random(run, "order")) if shuffle else deliveries


def count_copies(events: int, duplicates: float) -> int:
    """Return how many copies `generate` adds."""
    return round(events * duplicates)


def _random(run: str, purpose: str) -> Random:
    # One for each purpose, so that options about copies and order leave the events as they are.
    return Random(f"{purpose} {run}")  # noqa: S311 - it must repeat, not surprise


def _deliveries(random: Random, kinds: Collection[EventType], events: int, start: datetime) -> Iterator[Delivery]:
    provider = Provider(random, kinds)
    count = 0
    while count < events:
        story = provider.story(start + _BEGINNINGS * count / events)
        for occurrence in story[: events - count]:
            yield Delivery(kind=occurrence.kind, body=occurrence.body)
        count += len(story)


def _with_copies(deliveries: Iterator[Delivery], random: Random, events: int, copies: int) -> Iterator[Delivery]:
    """Choose exactly `copies` of the `events` by selection sampling (Knuth, The Art of Computer Programming, 3.4.2)."""
    later: list[tuple[int, int, Delivery]] = []
    for position, delivery in enumerate(deliveries):
        while later and later[0][0] <= position:
            yield heappop(later)[-1]
        yield delivery
        if random.random() * (events - position) < copies:
            copies -= 1
            due = position + random.randint(1, COPY_DISTANCE_MAX)
            heappush(later, (due, position, replace(delivery, is_copy=True)))
    for *_, delivery in sorted(later):
        yield delivery


def _shuffled(deliveries: Iterator[Delivery], random: Random) -> Iterator[Delivery]:
    window: list[Delivery] = []
    for delivery in deliveries:
        window.append(delivery)
        if len(window) > SHUFFLE_WINDOW:
            drawn = random.randrange(len(window))
            window[drawn], window[-1] = window[-1], window[drawn]
            yield window.pop()
    random.shuffle(window)
    yield from window
