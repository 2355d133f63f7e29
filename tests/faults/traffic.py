"""Endless random deliveries with copies and disorder, always the same for a seed.

In the small worlds of tests/support/deliveries.py everything meets everything. This is what a busy day looks like:
mostly one final event for a message of its own, and a little of everything else.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from tests.support.deliveries import Delivery
from tests.support.events_builder import RECEIVED, TEN

COPY_SHARE = 0.1
POISON_SHARE = 0.005
# By how many deliveries one is late, on average: one, a batch, or so long that it comes after its message's others.
LATENESS = (0, 50, 1000)
FINALS = ("message.delivered",) * 8 + ("message.failed", "message.undeliverable")
CAMPAIGN_MESSAGES = 50


def traffic(seed: int, *, messages: int = 0, poison_share: float = POISON_SHARE) -> Iterator[Delivery]:
    """Yield deliveries without end, about messages of their own or about so many `messages` again and again."""
    random = Random(seed)
    waiting: list[tuple[float, int, Delivery]] = []
    numbers = count()
    for position, delivery in enumerate(_events(random, messages, poison_share)):
        for _ in range(2 if random.random() < COPY_SHARE else 1):
            late = random.expovariate(1) * random.choice(LATENESS)
            heappush(waiting, (position + late, next(numbers), delivery))
        while waiting and waiting[0][0] <= position:
            yield heappop(waiting)[2]


def recipient(message: str) -> str:
    """Return the number that a made-up message was sent to."""
    return f"+24492{int(message.removeprefix('msg_')) % 10**7:07}"  # of a range that no other country's numbers have


def channel(message: str) -> str:
    return ("sms", "whatsapp")[int(message.removeprefix("msg_")) % 2]


def campaign_name(campaign: str) -> str:
    return f"Promoção {campaign}"


def _events(random: Random, messages: int, poison_share: float) -> Iterator[Delivery]:
    for number in count():
        if random.random() < poison_share:
            yield _poison(random, number)
            continue
        name = f"msg_{random.randrange(messages) if messages else number}"
        at = TEN + timedelta(milliseconds=10 * number + random.randrange(60_000))
        (story,) = random.choices(list(_STORIES), list(_STORIES.values()))
        yield from story(random, name, at)


def _delivery(event: str, subject: str | None, at: datetime, **data: Any) -> Delivery:
    return Delivery(event=event, subject=subject, at=at, received_at=RECEIVED, data=data)


def _later(random: Random, at: datetime) -> datetime:
    return at + timedelta(milliseconds=random.randrange(1, 60_000))


def _final(random: Random, name: str, at: datetime, *, event: str = "") -> Delivery:
    event = event or random.choice(FINALS)
    number = recipient(name)
    to = random.choice((number, number.removeprefix("+"), number.removeprefix("+244")))
    error = None if event == "message.delivered" else random.choice(("no route", "número inválido", None))
    return _delivery(event, name, at, to=to, channel=channel(name), from_="ZEXA", error=error)


def _one_final(random: Random, name: str, at: datetime) -> Iterator[Delivery]:
    yield _final(random, name, at)


def _two_finals(random: Random, name: str, at: datetime) -> Iterator[Delivery]:
    """First one thing, then another; sent in this order or the other way round."""
    first, second = random.sample(sorted(set(FINALS)), 2)
    deliveries = [_final(random, name, at, event=first), _final(random, name, _later(random, at), event=second)]
    yield from random.sample(deliveries, 2)


def _two_bodies(random: Random, name: str, at: datetime) -> Iterator[Delivery]:
    """Two bodies under one key of the ledger."""
    event = random.choice(FINALS)
    deliveries = [_final(random, name, at, event=event), _final(random, name, _later(random, at), event=event)]
    yield from random.sample(deliveries, 2)


def _opt_out(random: Random, name: str, at: datetime) -> Iterator[Delivery]:
    """The person who got a message says STOP; its event names them or leaves that to the message's other."""
    data = {"to": recipient(name), "channel": channel(name)} if random.random() < 0.5 else {}
    deliveries = [_final(random, name, at), _delivery("message.optout", name, _later(random, at), **data)]
    yield from random.sample(deliveries, 2)


def _opt_out_of_no_message(_random: Random, name: str, at: datetime) -> Iterator[Delivery]:
    yield _delivery("message.optout", None, at, to=recipient(name), channel=channel(name), from_="ZEXA")


def _campaign(random: Random, name: str, at: datetime) -> Iterator[Delivery]:
    campaign = f"cmp_{int(name.removeprefix('msg_')) // CAMPAIGN_MESSAGES}"
    data = {"name": campaign_name(campaign)}
    deliveries = [_delivery("campaign.sent", campaign, at, **data)]
    if random.random() < 0.7:
        deliveries.append(_delivery("campaign.completed", campaign, _later(random, at), **data))
    yield from random.sample(deliveries, len(deliveries))


def _unknown(random: Random, name: str, at: datetime) -> Iterator[Delivery]:
    event, subject = random.choice((("message.unknown", name), ("webhook.test", None)))
    yield _delivery(event, subject, at, number=name)


_STORIES: dict[Callable[[Random, str, datetime], Iterator[Delivery]], int] = {
    _one_final: 80,
    _two_finals: 6,
    _two_bodies: 3,
    _opt_out: 4,
    _opt_out_of_no_message: 2,
    _campaign: 3,
    _unknown: 2,
}


def _poison(random: Random, number: int) -> Delivery:
    """Bytes that no version can apply; no two are alike."""
    body = random.choice(
        (
            b'{"number": %d',
            b"\xff\xfe %d",
            b'["message.failed", %d]',
            b'{"event": "message.delivered", "data": {"message_id": "\\u0000%d"}}',
            b'{"event": "message.delivered", "data": {"message_id": "\\ud800%d"}}',
            b'{"event": "message.failed\\udfff", "data": {"message_id": "msg_%d"}}',
            b'{"event": "message.optout", "data": {"nobody": %d}}',
            b"\x00 %d",
        )
    )
    return Delivery(
        event=None, subject=None, at=None, received_at=RECEIVED, unreadable=body.replace(b"%d", b"%d" % number)
    )
