"""The simulator's traffic: repeatable, lazy, and of the forms that the provider's events can take."""

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from sync.devtools.simulate import traffic
from sync.devtools.simulate.traffic import KINDS, SPAN, START, Delivery, generate
from sync.events.event import Event, EventType, Outcome
from sync.events.parse import parse
from sync.events.raw import RawEvent
from tests.support.events_builder import AO

NOW = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)


def parsed(delivery: Delivery) -> Event:
    return parse(RawEvent(body=delivery.body, received_at=NOW), AO)


@pytest.fixture(scope="module")
def deliveries() -> list[Delivery]:
    return list(generate(events=10_000))


@pytest.fixture(scope="module")
def events(deliveries: list[Delivery]) -> list[Event]:
    """What the `deliveries` say, in their order."""
    return [parsed(delivery) for delivery in deliveries]


@pytest.fixture(scope="module")
def documents(deliveries: list[Delivery]) -> list[dict]:
    return [json.loads(delivery.body) for delivery in deliveries]


def test_the_same_seed_gives_the_same_bodies_in_any_process():
    program = (
        "import hashlib; from sync.devtools.simulate.traffic import generate; digest = hashlib.sha256();"
        "[digest.update(d.body) for d in generate(events=500, duplicates=0.1, shuffle=True, seed=7)];"
        "print(digest.hexdigest())"
    )
    # Sets of strings come in another order under another hash seed.
    others = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    ]
    digest = hashlib.sha256()
    for delivery in generate(events=500, duplicates=0.1, shuffle=True, seed=7):
        digest.update(delivery.body)
    assert others == [digest.hexdigest()] * 2


@pytest.mark.parametrize(
    "other",
    [{"seed": 2}, {"start": START + timedelta(seconds=1)}, {"kinds": frozenset(EventType) - {EventType.FAILED}}],
)
def test_another_seed_start_or_choice_of_kinds_speaks_of_other_subjects(other: dict):
    subjects = {parsed(delivery).subject_id for delivery in generate(events=500)}
    assert subjects.isdisjoint(parsed(delivery).subject_id for delivery in generate(events=500, **other))


def test_no_two_events_are_about_one_fact(events: list[Event]):
    assert len({event.key for event in events}) == len(events) == 10_000


def test_every_event_parses_as_what_it_says_it_is(deliveries: list[Delivery], events: list[Event]):
    for delivery, event in zip(deliveries, events, strict=True):
        assert event.name == delivery.kind
        assert event.outcome is Outcome.APPLIED
        assert not event.subject_id.startswith("sha256:")
        assert event.is_dated
        assert START <= event.occurred_at <= START + SPAN


def test_the_mix_is_that_of_a_working_account(deliveries: list[Delivery]):
    share = {kind: count / 10_000 for kind, count in Counter(delivery.kind for delivery in deliveries).items()}
    assert 0.8 < share[EventType.DELIVERED] < 0.95
    assert 0.02 < share[EventType.FAILED] < 0.06
    assert 0.015 < share[EventType.UNDELIVERABLE] < 0.05
    assert 0.006 < share[EventType.OPT_OUT] < 0.015
    assert 0 < share[EventType.CAMPAIGN_COMPLETED] < 0.03
    assert 0 < share[EventType.CAMPAIGN_SENT] < 0.03


def test_the_events_of_a_message_agree_on_its_channel_and_recipient(events: list[Event]):
    channels, recipients, names = defaultdict(set), defaultdict(set), defaultdict(set)
    for event in events:
        if event.message:
            names[event.subject_id].add(event.name)
            channels[event.subject_id].add(event.message.channel)
            recipients[event.subject_id] |= {event.message.recipient} - {None}
    assert any(len(several) > 1 for several in names.values())
    assert all(len(several) == 1 for several in channels.values())
    assert all(len(several) == 1 for several in recipients.values())


def test_an_opt_out_without_an_address_is_about_a_message_that_has_one(events: list[Event]):
    of_messages = [event for event in events if event.message]
    addressed = {event.subject_id for event in of_messages if event.message.recipient}
    bare = [event for event in of_messages if event.message.recipient is None]
    assert bare
    assert {event.name for event in bare} == {EventType.OPT_OUT}
    assert {event.subject_id for event in bare} <= addressed


def test_some_messages_fail_and_are_delivered_later_all_the_same(events: list[Event]):
    moments = {event.key: event.occurred_at for event in events}
    conflicts = [
        (moment, moments[subject, EventType.DELIVERED])
        for (subject, name), moment in moments.items()
        if name == EventType.FAILED and (subject, EventType.DELIVERED) in moments
    ]
    assert conflicts
    assert all(failed < delivered for failed, delivered in conflicts)


def test_every_spelling_of_channels_addresses_times_and_failures_occurs(documents: list[dict]):
    data = [document["data"] for document in documents]
    times = [document["timestamp"] for document in documents]
    assert {fields["channel"] for fields in data} == {"sms", "SMS", "whatsapp", "telegram", "email", "slack"}
    assert {str(fields["to"])[:4] for fields in data if fields["channel"] == "sms" and "to" in fields} == {
        "+244",
        "2449",
    }
    assert {type(time) for time in times} == {str, int, float}
    assert {len(time) for time in times if isinstance(time, str)} == {
        len("2026-06-24T10:05:00"),
        len("2026-06-24T10:05:00Z"),
        len("2026-06-24T10:05:00.123Z"),
        len("2026-06-24T11:05:00+01:00"),
        len("2026-06-24T10:05:00.123456000Z"),
    }
    assert {type(fields["error"]) for fields in data if "error" in fields} == {str, dict}
    assert any("reason" in fields for fields in data)


@pytest.mark.parametrize("short_name", KINDS)
def test_only_the_kinds_asked_for_are_sent_and_as_many_as_asked(short_name: str):
    kinds = [delivery.kind for delivery in generate(events=300, kinds={KINDS[short_name]})]
    assert kinds == [KINDS[short_name]] * 300


def test_copies_are_exact_and_as_many_as_asked():
    sent = list(generate(events=2000, duplicates=0.1))
    copies = Counter(delivery.body for delivery in sent if delivery.is_copy)
    originals = Counter(delivery.body for delivery in sent if not delivery.is_copy)
    assert (originals.total(), copies.total()) == (2000, 200)
    assert max(copies.values()) == 1
    assert set(copies) <= set(originals)


def test_a_copy_follows_what_it_copies_unless_shuffled():
    seen = set()
    for delivery in generate(events=3000, duplicates=0.5):
        assert delivery.is_copy == (delivery.body in seen)
        seen.add(delivery.body)


def test_order_and_copies_change_nothing_about_the_events():
    plain = [delivery.body for delivery in generate(events=1000)]
    assert [delivery.body for delivery in generate(events=1000, duplicates=1) if not delivery.is_copy] == plain


def test_shuffling_changes_the_order_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(traffic, "SHUFFLE_WINDOW", 2000)  # in less time than as many as it is
    events = 2000 + 2000
    plain = [delivery.body for delivery in generate(events=events, kinds={EventType.CAMPAIGN_SENT})]
    shuffled = [delivery.body for delivery in generate(events=events, kinds={EventType.CAMPAIGN_SENT}, shuffle=True)]
    assert shuffled != plain
    assert sorted(shuffled) == sorted(plain)
    unmoved = sum(event == other for event, other in zip(plain, shuffled, strict=True))
    assert unmoved < events / 100
    together = set(pairwise(plain))
    assert sum(pair in together for pair in pairwise(shuffled)) < events / 100


def test_traffic_is_generated_as_it_is_taken():
    tracemalloc.start()
    try:
        taken = sum(len(delivery.body) for delivery in generate(events=2_500, duplicates=0.1))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < taken / 2


def test_no_kinds_is_an_error_not_an_endless_search():
    with pytest.raises(ValueError, match="no kinds"):
        generate(events=1, kinds=())
