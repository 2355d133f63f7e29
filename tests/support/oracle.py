"""What the tables must hold, worked out the long way from what was delivered and what people said.

Written from the contract alone, plain and slow. Each row follows from all bodies and all words at once, so nothing
here knows of order, copies, batches or workers. It shares no code with what it judges.

It reads the bodies that `tests/integration/store/test_oracle.py` writes, not every form that the provider may choose:
numbers in E.164 with or without the plus, senders that are no numbers, times as ISO text or as a number.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.events.raw import RawEvent

Row = dict[str, Any]

# The events that give a message its final status.
FINAL = ("message.delivered", "message.undeliverable", "message.failed")
FAILURES = ("message.failed", "message.undeliverable")
OPT_OUT = "message.optout"
RANKS: dict[str | None, int] = {"delivered": 4, "undeliverable": 3, "failed": 2, "sent": 1, "queued": 0}
CAMPAIGN = {"campaign.completed": 2, "campaign.sent": 1}
KNOWN = (*FINAL, OPT_OUT, *CAMPAIGN)

# The times in `data` that belong to an event, and the times that may belong to any, the first before the next.
OWN_TIMES = {
    "message.delivered": ["delivered_at"],
    "message.undeliverable": ["undeliverable_at", "failed_at"],
    "message.failed": ["failed_at"],
    OPT_OUT: ["opted_out_at"],
    "campaign.sent": ["sent_at"],
    "campaign.completed": ["completed_at"],
}
POLLED_TIMES = {
    "delivered": ["delivered_at"],
    "undeliverable": ["undeliverable_at", "failed_at"],
    "failed": ["failed_at"],
    "sent": ["sent_at"],
    "queued": ["queued_at", "created_at"],
}
OTHER_TIMES = ["timestamp", "occurred_at", "created_at"]

DESCRIBING = ("channel", "recipient", "sender", "campaign_id")
DAY = timedelta(days=1)
LUANDA = timedelta(hours=1)  # ahead of UTC, all year: the reports' time zone unless another is set

OPT_OUT_COLUMNS = (
    *("channel", "address", "sender", "opted_out_at", "opted_in_at", "received_at"),
    *("source", "message_id", "note", "opt_out_id"),
)
COUNTS = ("finalised", "delivered", "failed", "undeliverable", "opt_outs", "conflicts")

# What the oracle says of each table and view: the columns that it names.
COLUMNS: dict[str, tuple[str, ...]] = {
    "events": ("subject_id", "event", "occurred_at", "is_dated", "received_at", "outcome", "origin", "digest"),
    "further_bodies": ("subject_id", "event", "occurred_at", "is_dated", "received_at", "origin", "digest"),
    "bodies": ("subject_id", "event", "received_at", "origin", "body"),
    "message_status": (
        "message_id",
        *DESCRIBING,
        *("status", "status_at", "delivered_at", "failed_at", "failure_code", "failure_reason"),
        *("opted_out_at", "conflict"),
    ),
    "campaign_status": (
        *("campaign_id", "status", "sent_at", "completed_at", "name", "channel", "message_total", "details"),
    ),
    "opt_outs": OPT_OUT_COLUMNS,
    "active_opt_outs": OPT_OUT_COLUMNS,
    "opt_out_statements": (
        *("kind", "channel", "address", "sender", "occurred_at", "received_at"),
        *("source", "message_id", "event", "digest", "stated_by", "reason"),
    ),
    "nameless_opt_outs": ("subject_id", "digest", "received_at"),
    "dead_letters": ("digest", "received_at"),
    "report_daily": ("day", "channel", "sender", *COUNTS),
    "report_campaigns": ("campaign_id", "status", "message_total", "messages", "unfinished", *COUNTS),
    "report_opt_outs": ("day", "channel", "source", "opt_outs", "in_force"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A person's word that somebody has opted out; `channel` or `sender` is '' for any."""

    channel: str = ""
    address: str
    sender: str = ""
    at: datetime
    by: str = "Rosa"
    reason: str = "by letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A person's word that ends opt-outs; `channel` or `sender` is None for any."""

    channel: str | None = None
    address: str
    sender: str | None = None
    at: datetime
    by: str = "Rosa"
    reason: str = "by letter"

    def covers(self, channel: str, address: str, sender: str) -> bool:
        return self.address == address and self.channel in (None, channel) and self.sender in (None, sender)


Word = Added | Removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider said of a message when it was asked, in the spelling that its documents have."""

    message_id: str
    document: Row
    asked_at: datetime


def expected(
    deliveries: Iterable[RawEvent],
    words: Sequence[Word] = (),
    opting_out: frozenset[str] = frozenset(),
    answers: Iterable[Answer] = (),
) -> dict[str, list[Row]]:
    """Return the rows of each table, in no order; `opting_out` are the codes of failures that opt out."""
    bodies, dead_letters = read(deliveries, opting_out)
    bodies += asked_for(answers)
    holding = holding_bodies(bodies)
    messages, campaigns = message_rows(bodies), campaign_rows(holding)
    opt_outs = opt_out_rows(bodies, words)
    return {
        "events": [event_row(body) for body in holding],
        "further_bodies": [row_of("further_bodies", body) for body in bodies if body not in holding],
        "bodies": [row_of("bodies", body) for body in bodies],
        "message_status": messages,
        "campaign_status": campaigns,
        "opt_outs": opt_outs,
        "active_opt_outs": [row for row in opt_outs if is_in_force(row)],
        "opt_out_statements": [*stated_by_events(bodies), *map(stated_by_person, words)],
        "nameless_opt_outs": [
            row_of("nameless_opt_outs", body) for body in bodies if body.opts_out and not opted_out_keys(body, bodies)
        ],
        "dead_letters": [{"digest": digest, "received_at": at} for digest, at in dead_letters.items()],
        "report_daily": daily_rows(messages),
        "report_campaigns": campaign_counts(campaigns, messages),
        "report_opt_outs": opt_out_counts(opt_outs),
    }


def row_of(table: str, body: "Body", **more: Any) -> Row:
    return {name: more[name] if name in more else getattr(body, name) for name in COLUMNS[table]}


# Bodies


class Body:
    """A distinct body as it reads, given its earliest receipt; ValueError if it can't be applied."""

    origin = "signed"

    def __init__(self, content: bytes, received_at: datetime, opting_out: frozenset[str]) -> None:
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ValueError("not an object")
        self.body, self.received_at = content, received_at
        self.digest = hashlib.sha256(content).hexdigest()
        self.event = canonical(document.get("event") or "")
        self.data: Row = document.get("data", {})
        self.of_message = self.event in FINAL or self.event == OPT_OUT

        self.message_id = self.data.get("message_id") if self.event.startswith("message.") else None
        self.campaign_id = self.data.get("campaign_id")
        id_ = self.campaign_id if self.event.startswith("campaign.") else self.message_id
        self.subject_id = id_ or f"sha256:{self.digest}"

        self.recipient, self.sender = parties(self.data)
        self.channel = str(self.data.get("channel") or "").lower() or None
        self.failure_code = self.data.get("error_code")
        self.failure_reason = self.data.get("error")
        self.opts_out = self.event == OPT_OUT or (self.event in FAILURES and self.failure_code in opting_out)
        if self.event == OPT_OUT and not self.recipient and not self.message_id:
            raise ValueError("names neither a person nor a message")

        own_times = self.times(self.data, OWN_TIMES.get(self.event, []))
        claimed = [*self.times(document, ["timestamp"]), *own_times, *self.times(self.data, OTHER_TIMES)]
        self.is_dated = bool(claimed)
        self.occurred_at = claimed[0] if claimed else received_at
        self.status_at = own_times[0] if own_times else self.occurred_at

        self.status = self.event.removeprefix("message.") if self.event in FINAL else None
        self.order()

    def order(self) -> None:
        """Between bodies of one key, and between events that describe a message."""
        is_signed = self.origin == "signed"
        self.precedence = is_signed, self.is_dated, self.occurred_at, self.digest
        rank = RANKS.get(self.status, -1)
        self.greatness = self.event in FINAL, self.occurred_at, is_signed, rank, self.digest

    def times(self, fields: Row, names: list[str]) -> list[datetime]:
        """The times that `fields` claims under `names`, as far as they can be read and believed."""
        read = [time_of(fields.get(name)) for name in names]
        return [time for time in read if time is not None and time <= self.received_at + DAY]


class Polled(Body):
    """A distinct answer, given when it was first asked for. It names nobody, and opts nobody out."""

    origin = "polled"

    def __init__(self, answer: Answer) -> None:
        self.body = f'{{"polled":"{answer.message_id}","answer":{json.dumps(answer.document)}}}'.encode()
        self.digest = hashlib.sha256(self.body).hexdigest()
        self.data, self.received_at = answer.document, answer.asked_at
        self.status = answer.document["status"]
        self.event = f"message.{self.status}"
        self.subject_id = self.message_id = answer.message_id
        self.campaign_id = answer.document.get("campaign_id")
        self.of_message, self.opts_out = True, False
        self.recipient, self.sender = parties(answer.document)
        self.channel = str(answer.document.get("channel") or "").lower() or None
        is_failure = self.event in FAILURES
        self.failure_code = answer.document.get("error_code") if is_failure else None
        self.failure_reason = answer.document.get("error") if is_failure else None
        times = self.times(answer.document, [*POLLED_TIMES[self.status], "updated_at"])
        self.is_dated = bool(times)
        self.occurred_at = self.status_at = times[0] if times else answer.asked_at
        self.order()


def asked_for(answers: Iterable[Answer]) -> list[Body]:
    earliest: dict[bytes, Polled] = {}
    for answer in answers:
        body = Polled(answer)
        if body.body not in earliest or body.received_at < earliest[body.body].received_at:
            earliest[body.body] = body
    return list(earliest.values())


def read(deliveries: Iterable[RawEvent], opting_out: frozenset[str]) -> tuple[list[Body], dict[str, datetime]]:
    """Every distinct body that can be applied, and the earliest receipt of the others by their digest."""
    receipts: dict[bytes, datetime] = {}
    for raw in deliveries:
        receipts[raw.body] = min(raw.received_at, receipts.get(raw.body, raw.received_at))
    bodies, dead_letters = [], {}
    for content, received_at in receipts.items():
        try:
            bodies.append(Body(content, received_at, opting_out))
        except ValueError:
            dead_letters[hashlib.sha256(content).hexdigest()] = received_at
    return bodies, dead_letters


def canonical(name: str) -> str:
    """The known name that `name` is without case, blanks and separators, else `name` itself."""
    letters = re.sub("[^a-z]", "", name.lower())
    return next((known_name for known_name in KNOWN if known_name.replace(".", "") == letters), name)


def parties(data: Row) -> tuple[str | None, str | None]:
    """The address of the person, in E.164, and the sender."""
    to = data.get("to")
    return to and "+" + to.removeprefix("+"), data.get("from")


def time_of(value: Any) -> datetime | None:
    if isinstance(value, int | float):
        # No time before 1973 was ever sent, so eleven digits and more are milliseconds.
        return datetime.fromtimestamp(value / 1000 if value >= 1e11 else value, UTC)
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


# The ledger


def holding_bodies(bodies: list[Body]) -> list[Body]:
    """The greatest body of each key."""
    holding = {}
    for body in sorted(bodies, key=lambda body: body.precedence):
        holding[body.subject_id, body.event] = body
    return list(holding.values())


def event_row(body: Body) -> Row:
    is_known = body.event in KNOWN or body.origin == "polled"
    return row_of("events", body, outcome="applied" if is_known else "ignored")


# Status


def message_rows(bodies: list[Body]) -> list[Row]:
    """What is of an unknown type says nothing here, also if the ledger has it before what was polled."""
    of_messages = [body for body in bodies if body.of_message and body.message_id]
    holding = holding_bodies(of_messages)
    return [
        message_row([body for body in of_messages if body.message_id == message_id], holding)
        for message_id in {body.message_id for body in of_messages}
    ]


def message_row(bodies: list[Body], holding: list[Body]) -> Row:
    """The row of one message, from all `bodies` that name it, and from the bodies of these that hold."""
    facts = [body for body in bodies if body in holding]
    others = [body for body in bodies if body not in holding]
    finals = [body for body in facts if body.event in FINAL]
    last = greatest([body for body in facts if body.status])
    delivered = greatest([body for body in facts if body.event == "message.delivered"])
    failure = greatest([body for body in facts if body.event in FAILURES])
    return {
        "message_id": bodies[0].message_id,
        **{name: naming(name, facts) or naming(name, others) for name in DESCRIBING},
        "status": last and last.status,
        "status_at": last and last.occurred_at,
        "delivered_at": delivered and delivered.status_at,
        "failed_at": failure and failure.status_at,
        "failure_code": failure and failure.failure_code,
        "failure_reason": failure and failure.failure_reason,
        "opted_out_at": max((body.occurred_at for body in bodies if body.opts_out), default=None),
        "conflict": len(finals) > 1,
    }


def greatest(bodies: list[Body]) -> Body | None:
    return max(bodies, key=lambda body: body.greatness, default=None)


def naming(name: str, bodies: list[Body]) -> Any:
    """The value under `name` in the greatest body that has one."""
    body = greatest([body for body in bodies if getattr(body, name)])
    return body and getattr(body, name)


def campaign_rows(holding: list[Body]) -> list[Row]:
    facts = [body for body in holding if body.event in CAMPAIGN and body.campaign_id]
    return [
        campaign_row([body for body in facts if body.campaign_id == campaign_id])
        for campaign_id in {body.campaign_id for body in facts}
    ]


def campaign_row(facts: list[Body]) -> Row:
    facts = sorted(facts, key=lambda body: CAMPAIGN[body.event], reverse=True)  # completed before sent, one of each
    at = {body.event: body.status_at for body in facts}

    def first(name: str) -> Any:
        return next((body.data[name] for body in facts if body.data.get(name) is not None), None)

    return {
        "campaign_id": facts[0].campaign_id,
        "status": facts[0].event.removeprefix("campaign."),
        "sent_at": at.get("campaign.sent"),
        "completed_at": at.get("campaign.completed"),
        "name": first("name"),
        "channel": next((body.channel for body in facts if body.channel), None),
        "message_total": first("total"),
        "details": json.dumps(facts[0].data, sort_keys=True),
    }


# Opt-outs

Key = tuple[str, str, str]  # channel, address, sender


def opted_out_keys(stop: Body, bodies: list[Body]) -> set[Key]:
    """The rows that `stop` is about: its own address, and every one that a signed body of its message names."""
    signed = [body for body in bodies if body.of_message and body.origin == "signed"]
    of_message = [body for body in signed if stop.message_id == body.message_id is not None]
    return {
        (stop.channel or body.channel or "", body.recipient, stop.sender or "")
        for body in [stop, *of_message]
        if body.recipient
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What one opt-out says of a row. A person's word was received when it says it was."""

    at: datetime
    received_at: datetime
    source: str
    message_id: str | None = None
    digest: str = ""
    note: str | None = None


def opt_out_rows(bodies: list[Body], words: Sequence[Word]) -> list[Row]:
    stops: dict[Key, list[Stop]] = defaultdict(list)
    for body in bodies:
        for key in opted_out_keys(body, bodies) if body.opts_out else ():
            stop = Stop(
                at=body.occurred_at,
                received_at=body.received_at,
                source=source(body),
                message_id=body.message_id,
                digest=body.digest,
            )
            stops[key].append(stop)
    for word in words:
        if isinstance(word, Added):
            stop = Stop(at=word.at, received_at=word.at, source="manual", note=word.reason)
            stops[word.channel, word.address, word.sender].append(stop)
    return [opt_out_row(key, stops[key], words) for key in stops]


def source(body: Body) -> str:
    return "event" if body.event == OPT_OUT else "failure"


def opt_out_row(key: Key, stops: list[Stop], words: Sequence[Word]) -> Row:
    last = max(stops, key=lambda stop: (stop.at, stop.message_id or "", stop.source != "failure", stop.digest))
    ends = [word.at for word in words if isinstance(word, Removed) and word.covers(*key)]
    return {
        **dict(zip(("channel", "address", "sender"), key, strict=True)),
        "opted_out_at": last.at,
        "opted_in_at": max(ends, default=None),
        "received_at": max(stop.received_at for stop in stops),
        "source": last.source,
        "message_id": last.message_id,
        "note": last.note,
        "opt_out_id": last.digest or None,  # of a person's word it is random
    }


def is_in_force(row: Row) -> bool:
    return row["opted_in_at"] is None or row["opted_in_at"] <= row["received_at"]


def stated_by_events(bodies: list[Body]) -> list[Row]:
    """What each opt-out states, once of every row that it is about. Its times are those of its body."""
    return [
        row_of(
            "opt_out_statements",
            body,
            **dict(zip(("channel", "address", "sender"), key, strict=True)),
            **{"kind": "opted_out", "source": source(body), "stated_by": None, "reason": None},
        )
        for body in bodies
        if body.opts_out
        for key in opted_out_keys(body, bodies)
    ]


def stated_by_person(word: Word) -> Row:
    nothing = dict.fromkeys(("received_at", "message_id", "event", "digest"))
    return {
        **nothing,
        "kind": "opted_out" if isinstance(word, Added) else "opted_in",
        **{"channel": word.channel, "address": word.address, "sender": word.sender},
        **{"occurred_at": word.at, "source": "manual", "stated_by": word.by, "reason": word.reason},
    }


# Reports


def daily_rows(messages: list[Row]) -> list[Row]:
    groups = defaultdict(list)
    for row in messages:
        if f"message.{row['status']}" in FINAL:
            groups[day_of(row["status_at"]), row["channel"] or "", row["sender"] or ""].append(row)
    return [
        {"day": day, "channel": channel, "sender": sender, **counts(rows)}
        for (day, channel, sender), rows in groups.items()
    ]


def campaign_counts(campaigns: list[Row], messages: list[Row]) -> list[Row]:
    """Of every campaign that an event or a message names."""
    events = {row["campaign_id"]: row for row in campaigns}
    named = {row["campaign_id"] for row in messages if row["campaign_id"]}
    rows = []
    for campaign_id in named | set(events):
        campaign_messages = [row for row in messages if row["campaign_id"] == campaign_id]
        event = events.get(campaign_id, {"status": None, "message_total": None})
        row = {"campaign_id": campaign_id, "status": event["status"], "message_total": event["message_total"]}
        unfinished = sum(f"message.{row['status']}" not in FINAL for row in campaign_messages)
        rows.append(row | {"messages": len(campaign_messages), "unfinished": unfinished} | counts(campaign_messages))
    return rows


def opt_out_counts(opt_outs: list[Row]) -> list[Row]:
    groups = defaultdict(list)
    for row in opt_outs:
        groups[day_of(row["opted_out_at"]), row["channel"], row["source"]].append(row)
    return [
        {
            "day": day,
            "channel": channel,
            "source": source,
            # One opt-out counts once, though it holds for several addresses.
            "opt_outs": len({identity(row) for row in rows}),
            "in_force": len({identity(row) for row in rows if is_in_force(row)}),
        }
        for (day, channel, source), rows in groups.items()
    ]


def identity(row: Row) -> Any:
    """Which opt-out a row follows from."""
    return row["opt_out_id"] or (row["address"], row["channel"], row["sender"])


def day_of(time: datetime) -> str:
    return (time + LUANDA).date().isoformat()


def counts(messages: list[Row]) -> Row:
    by_status = Counter(row["status"] for row in messages if f"message.{row['status']}" in FINAL)
    return {
        "finalised": by_status.total(),
        **{status: by_status[status] for status in ("delivered", "failed", "undeliverable")},
        "opt_outs": sum(row["opted_out_at"] is not None for row in messages),
        "conflicts": sum(row["conflict"] for row in messages),
    }
