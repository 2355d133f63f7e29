"""What the tables must hold once every delivery was applied, what they hold, and how the two differ.

The expected rows come from tests/support/deliveries.py, which is written from the contract. Of the code under test
this module knows the tables only. Differences are reported by count and digest: a value that differs may be a
person's number.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, column, select, table

from models.types import UTCDateTime
from tests.faults.traffic import campaign_name, channel, recipient
from tests.support.deliveries import (
    KNOWN_EVENTS,
    Delivery,
    World,
    expected_dead_letters,
    expected_events,
    expected_messages,
    expected_opt_outs,
)

Key = tuple[Any, ...]
Rows = Mapping[Key, tuple[Any, ...]]
Tables = Mapping[str, Rows]

SHOWN = 5

# By table: how many of the columns are its key, and the columns. A body stands here as its digest.
COLUMNS: dict[str, tuple[int, tuple[str, ...]]] = {
    "events": (2, ("subject_id", "event", "occurred_at", "outcome", "digest")),
    "bodies": (1, ("body", "subject_id", "event")),
    "further_bodies": (3, ("subject_id", "event", "digest", "occurred_at")),
    "dead_letters": (1, ("digest", "body", "attempts", "resolved_at")),
    "message_status": (
        1,
        (
            "message_id",
            "status",
            "status_at",
            "delivered_at",
            "failed_at",
            "failure_reason",
            "opted_out_at",
            "conflict",
            "sender",
            "recipient",
            "channel",
        ),
    ),
    "campaign_status": (1, ("campaign_id", "status", "sent_at", "completed_at", "name")),
    "opt_outs": (3, ("channel", "address", "sender", "opted_out_at", "opted_in_at", "source")),
    "opt_out_history": (4, ("channel", "address", "sender", "digest", "kind", "source", "message_id")),
    "nameless_opt_outs": (2, ("subject_id", "digest")),
    "active_opt_outs": (3, ("channel", "address", "sender", "opted_out_at")),
    "inbox": (1, ("id", "body")),
}


class OneMessage(World):
    """A world of a single message of our traffic."""

    def __init__(self, name: str) -> None:
        self.messages = [name]
        self.recipients = {name: recipient(name)}
        self.channels = {name: channel(name)}


def expected(deliveries: Iterable[Delivery]) -> Tables:
    """Return what the tables hold once `deliveries` were applied, each any number of times and in any order."""
    once = list({delivery.body: delivery for delivery in deliveries}.values())
    readable = [delivery for delivery in once if delivery.unreadable is None]
    events = _events(once)
    return {
        "events": events,
        "bodies": {(delivery.digest,): delivery.key for delivery in readable},
        "further_bodies": {
            (*delivery.key, delivery.digest): (delivery.occurred_at,)
            for delivery in readable
            if events[delivery.key][-1] != delivery.digest
        },
        "dead_letters": {(_digest(body),): (_digest(body), 1, None) for body in expected_dead_letters(once)},
        "campaign_status": _campaigns(once),
        "inbox": {},
        **_of_messages(once),
    }


def _events(deliveries: Iterable[Delivery]) -> Rows:
    known_events = {*KNOWN_EVENTS, "campaign.sent", "campaign.completed"}
    return {
        key: (occurred_at, "applied" if key[1] in known_events else "ignored", _digest(body))
        for key, (occurred_at, _, body) in expected_events(list(deliveries)).items()
    }


def _of_messages(deliveries: Iterable[Delivery]) -> dict[str, Rows]:
    """A message at a time: what is known of one says nothing of another, and everybody has a number of their own."""
    by_message: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.event in KNOWN_EVENTS:
            by_message[delivery.subject or f"msg_{int(delivery.data['to'][-8:])}"].append(delivery)
    messages: dict[Key, tuple[Any, ...]] = {}
    opt_outs: dict[Key, Any] = {}
    statements: dict[Key, tuple[Any, ...]] = {}
    nameless: dict[Key, tuple[Any, ...]] = {}
    for name, of_message in by_message.items():
        world = OneMessage(name)
        for row in expected_messages(world, of_message).values():
            messages[name,] = tuple(row[column] for column in COLUMNS["message_status"][1][1:])
        opt_outs |= expected_opt_outs(world, of_message)
        for stop in of_message:
            if stop.event == "message.optout":
                stated = {
                    (*row, stop.digest): ("opted_out", "event", stop.subject) for row in _stopped(stop, of_message)
                }
                statements |= stated
                nameless |= {} if stated else {(stop.key[0], stop.digest): ()}
    return {
        "message_status": messages,
        "opt_outs": {key: (at, None, "event") for key, at in opt_outs.items()},
        "active_opt_outs": {key: (at,) for key, at in opt_outs.items()},
        "opt_out_history": statements,
        "nameless_opt_outs": nameless,
    }


def _stopped(stop: Delivery, deliveries: Iterable[Delivery]) -> set[Key]:
    """The rows that one opt-out is about: of its own address, and of every one that its message's events name."""
    naming = [
        delivery
        for delivery in deliveries
        if "to" in delivery.data and (delivery is stop or delivery.subject == stop.subject is not None)
    ]
    channels = {(stop.data.get("channel") or delivery.data["channel"], delivery.data["to"]) for delivery in naming}
    return {(channel, "+244" + to[-9:], stop.data.get("from_") or "") for channel, to in channels}


def _campaigns(deliveries: Iterable[Delivery]) -> Rows:
    of_campaigns = [delivery for delivery in deliveries if (delivery.event or "").startswith("campaign.")]
    facts: dict[str, dict[str, Any]] = defaultdict(dict)
    for (campaign, event), (occurred_at, _, _) in expected_events(of_campaigns).items():
        facts[campaign][event.partition(".")[2]] = occurred_at
    return {
        (campaign,): (
            "completed" if "completed" in times else "sent",
            times.get("sent"),
            times.get("completed"),
            campaign_name(campaign),
        )
        for campaign, times in facts.items()
    }


def stored(engine: Engine) -> Tables:
    """Return what the tables hold."""
    return {name: _rows(engine, name) for name in COLUMNS}


def _rows(engine: Engine, name: str) -> Rows:
    keys, names = COLUMNS[name]
    columns = [
        column(column_name, UTCDateTime()) if column_name.endswith("_at") else column(column_name)
        for column_name in names
    ]
    body = names.index("body") if "body" in names else None
    rows = {}
    with engine.connect() as connection:
        for row in connection.execution_options(yield_per=10_000).execute(select(*columns).select_from(table(name))):
            values = list(row)
            if body is not None:
                values[body] = _digest(values[body])
            if "conflict" in names:
                values[names.index("conflict")] = bool(values[names.index("conflict")])
            key = tuple(values[:keys])
            # What is there twice, and may not be, is one too many.
            rows[key if key not in rows else (*key, len(rows))] = tuple(values[keys:])
    return rows


@dataclass(frozen=True, slots=True)
class Differences:
    """By table the keys of rows that are missing, too many, or there with other values."""

    missing: Mapping[str, list[Key]]
    too_many: Mapping[str, list[Key]]
    differing: Mapping[str, list[Key]]

    def __bool__(self) -> bool:
        return any(self.counts)

    @property
    def counts(self) -> tuple[int, int, int]:
        return _count(self.missing), _count(self.too_many), _count(self.differing)

    def __repr__(self) -> str:
        kinds = {"missing": self.missing, "too many": self.too_many, "differing": self.differing}
        return "; ".join(
            _difference_text(kind, name, keys) for kind, by_name in kinds.items() for name, keys in by_name.items()
        )


def _count(keys: Mapping[str, list[Key]]) -> int:
    return sum(map(len, keys.values()))


def _difference_text(kind: str, name: str, keys: list[Key]) -> str:
    digests = ", ".join(_digest(repr(key).encode())[:12] for key in keys[:SHOWN])
    return f"{len(keys)} {kind} in {name} ({digests}{', …' if len(keys) > SHOWN else ''})"


def differences(wanted: Tables, stored_tables: Tables) -> Differences:
    """Compare row by row. Takes tables as `expected` and `stored` return them."""
    assert wanted.keys() == stored_tables.keys()
    names = list(wanted)
    missing = {name: sorted(wanted[name].keys() - stored_tables[name].keys()) for name in names}
    too_many = {name: sorted(stored_tables[name].keys() - wanted[name].keys()) for name in names}
    shared_keys = {name: sorted(wanted[name].keys() & stored_tables[name].keys()) for name in names}
    differing = {
        name: [key for key in shared_keys[name] if wanted[name][key] != stored_tables[name][key]] for name in names
    }
    return Differences(
        *(
            {name: keys for name, keys in rows_by_name.items() if keys}
            for rows_by_name in (missing, too_many, differing)
        )
    )


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
