"""`zexa-sync tail`: deliveries as they come, with answer and reason, and every address masked."""

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
from redis import Redis
from redis.exceptions import RedisError

from sync.events.event import Event, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import RawEvent
from sync.queue.connection import opened_redis
from sync.queue.counts import TAIL_CHANNEL, TAIL_KEY
from sync.settings.environment import read_redis_settings
from sync.settings.worker import read_parse_options
from sync.terminal.masking import masked_address, masked_text
from sync.terminal.options import DURATION, JSON
from sync.terminal.text import say, visible
from sync.terminal.times import iso_text

REDIS_SECONDS = 2
# The key says that somebody watches. It outlives one who was killed by this much, and no more.
WATCHED_SECONDS = 10
RENEW_SECONDS = 2


@click.command()
@click.option("--for", "seconds", type=DURATION, metavar="DURATION", help="Stop after, such as 30s or 5m.")
@JSON
def tail(seconds: float | None, as_json: bool) -> None:
    """Show deliveries as they come, until Ctrl-C: the answer, the reason, and what the event is about.

    \b
    For example:
      zexa-sync tail
      zexa-sync tail --for 1m --json

    Addresses are masked. `web` tells of deliveries once a second, of 200 at the most, and only while somebody watches.

    Exit status: 0, or 1 if Redis does not answer. Reads REDIS_URL, ZEXA_DEFAULT_REGION and ZEXA_OPT_OUT_FAILURES.
    """
    options = read_parse_options(os.environ)
    opened = opened_redis(read_redis_settings(os.environ), connections=2, seconds=REDIS_SECONDS)
    try:
        with opened as connection:
            for delivery in _deliveries(connection, None if seconds is None else time.monotonic() + seconds):
                document = delivery_document(delivery, options)
                say(json.dumps(document) if as_json else delivery_text(document))
    except (RedisError, ValueError) as error:
        click.echo(f"Redis did not answer: {type(error).__name__}", err=True)
        sys.exit(1)


def _deliveries(connection: Redis, deadline: float | None) -> Iterator[dict[str, Any]]:
    """Yield what web processes publish, as long as this lasts."""
    with connection.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(TAIL_CHANNEL)
        renew_at = 0.0
        while deadline is None or time.monotonic() < deadline:
            if time.monotonic() >= renew_at:
                connection.set(TAIL_KEY, 1, ex=WATCHED_SECONDS)
                renew_at = time.monotonic() + RENEW_SECONDS
            if message := subscription.get_message(timeout=0.5):
                yield from json.loads(message["data"])


def delivery_document(delivery: dict[str, Any], options: ParseOptions) -> dict[str, Any]:
    """Return a delivery as JSON's types, its address masked; what is not known is null."""
    received_at = datetime.fromtimestamp(delivery["at"], UTC)
    stated = _stated(delivery.get("body"), received_at, options)
    event = stated if isinstance(stated, Event) else None
    message = event.message if event else None
    return {
        "received_at": iso_text(received_at),
        "code": delivery["code"],
        "reason": delivery.get("reason")
        or (f"dead letter: {stated.reason}" if isinstance(stated, Unreadable) else None),
        "event": masked_text(event.name) if event else None,
        "subject_id": masked_text(event.subject_id) if event and event.message else None,
        "recipient": masked_address(message.recipient) if message and message.recipient else None,
        "channel": message.channel if message else None,
        "bytes": delivery.get("bytes"),
        "digest": delivery.get("digest"),
        "client": delivery.get("client"),
        "forwarded_for": delivery.get("forwarded_for"),
        "request_id": delivery.get("request_id"),
    }


def _stated(body: str | None, received_at: datetime, options: ParseOptions) -> Event | Unreadable | None:
    if body is None:
        return None
    try:
        return parse(RawEvent(body=body.encode("latin-1"), received_at=received_at), options)
    except Unreadable as unreadable:
        return unreadable


def delivery_text(document: dict[str, Any]) -> str:
    """Return a line for a person."""
    words = [document["received_at"], str(document["code"]), document["reason"] or "stored"]
    names = ("event", "subject_id", "recipient", "channel")
    words += [str(document[name]) for name in names if document[name]]
    words += [f"{name}={document[name]}" for name in ("digest", "client", "forwarded_for") if document[name]]
    return visible("  ".join(words))
