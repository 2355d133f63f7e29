"""The rows of campaigns, what describes a message, and which of several bodies of one key holds."""

import hashlib
from itertools import permutations

from msgspec.structs import replace

from sync.events.event import Event
from sync.events.merge import CampaignRow, by_subject, campaign_row, distinct, holding
from tests.support.events_builder import ANA, RUI, minute
from tests.unit.events.facts import fact, message_fact, row


def holding_fact(*facts: Event) -> Event:
    """The body that holds, of these bodies of one key, in every order."""
    holding_facts = {event for order in permutations(facts) for event in holding(order).values()}
    (event,) = holding_facts
    return event


def campaign(*facts: Event) -> CampaignRow:
    rows = [campaign_row(order) for order in permutations(facts)]
    assert all(row == rows[0] for row in rows)
    assert rows[0] is not None
    return rows[0]


# Campaigns


def test_a_campaign_is_completed_once_it_was_however_late_sent_comes() -> None:
    merged = campaign(fact("campaign.completed", 1), fact("campaign.sent", 2))
    assert (merged.campaign_id, merged.status) == ("x", "completed")
    assert (merged.sent_at, merged.completed_at) == (minute(2), minute(1))


def test_a_campaign_keeps_the_moments_its_data_names() -> None:
    merged = campaign(fact("campaign.sent", 2, sent_at=minute(1).isoformat()))
    assert (merged.status, merged.sent_at, merged.completed_at) == ("sent", minute(1), None)


def test_a_campaign_is_described_by_its_greatest_event_and_else_by_the_other() -> None:
    sent = fact("campaign.sent", 1, name="June", channel="SMS", total=2)
    completed = fact("campaign.completed", 2, channel="sms", delivered=2)
    merged = campaign(sent, completed)
    assert (merged.name, merged.channel) == ("June", "sms")
    assert merged.details == '{"channel": "sms", "delivered": 2, "id": "x"}'


def test_a_campaigns_body_that_does_not_hold_says_nothing() -> None:
    lesser, greater = fact("campaign.sent", 1, name="June", total=2), fact("campaign.sent", 2)
    assert campaign(lesser, greater) == campaign(greater)


# What describes a message


def test_what_one_event_leaves_out_another_tells() -> None:
    message = row(
        message_fact("delivered", 2),
        message_fact("failed", 1, channel="sms", to=ANA),
        message_fact("optout", 3, from_="ZEXA"),
    )
    assert (message.channel, message.recipient, message.sender) == ("sms", ANA, "ZEXA")


def test_of_two_descriptions_that_of_the_greatest_event_holds() -> None:
    message = row(
        message_fact("failed", 1, to=RUI, campaign_id="c1"), message_fact("delivered", 2, to=ANA, campaign_id="c2")
    )
    assert (message.recipient, message.campaign_id) == (ANA, "c2")
    assert row(message_fact("delivered", 1, to=ANA), message_fact("optout", 9, to=RUI)).recipient == ANA


def test_what_no_event_that_holds_tells_the_greatest_of_the_other_bodies_does() -> None:
    naming = [message_fact("failed", 1, to=RUI, channel="sms"), message_fact("failed", 2, to=ANA)]
    greatest = message_fact("failed", 3)
    message = row(*naming, greatest)
    assert (message.recipient, message.channel, message.status_at) == (ANA, "sms", minute(3))
    assert row(*naming, greatest, message_fact("optout", 4, to=RUI)).recipient == RUI


# Of two bodies under one ledger key


def test_the_later_of_two_bodies_holds() -> None:
    early, late = message_fact("failed", 1, error="busy"), message_fact("failed", 2, error="no route")
    assert holding_fact(early, late) is late


def test_of_two_bodies_of_one_moment_that_with_the_greater_digest_holds() -> None:
    for reason in ("a", "b", "c", "d"):
        first, second = message_fact("failed", 1, error="busy"), message_fact("failed", 1, error=reason)
        assert holding_fact(first, second) is max(
            first, second, key=lambda event: hashlib.sha256(event.body).hexdigest()
        )


def test_a_body_that_names_no_time_gives_way_to_one_that_does() -> None:
    undated, dated = message_fact("failed", None, received=minute(60)), message_fact("failed", 1, error="busy")
    assert holding_fact(undated, dated) is dated


def test_a_body_whose_time_is_not_believed_gives_way_like_one_that_names_none() -> None:
    dated = message_fact("failed", 1, error="busy")
    assert holding_fact(message_fact("failed", 48 * 60, received=minute(60)), dated) is dated


def test_of_two_bodies_that_name_no_time_that_which_came_first_later_holds_and_then_the_digest_decides() -> None:
    for reason in ("a", "b", "c", "d"):
        first = message_fact("failed", None, error="busy", received=minute(1))
        second = message_fact("failed", None, error=reason, received=minute(2))
        assert holding_fact(first, second) is second
        second = replace(second, received_at=minute(1), occurred_at=minute(1))
        assert holding_fact(first, second) is max(first, second, key=lambda event: event.digest)


def test_of_copies_the_one_received_first_is_kept() -> None:
    for at in (1, None):
        copies = [message_fact("failed", at, received=minute(received)) for received in (90, 60, 70)]
        for order in permutations(copies):
            assert distinct(order) == [copies[1]]


def test_of_one_key_every_body_is_kept_and_sorted_by_key() -> None:
    facts = [message_fact("failed", 1, id=name) for name in ("b", "a", "Z", "a")] + [
        message_fact("delivered", 1, id="a")
    ]
    facts.append(message_fact("failed", 2, id="a"))
    assert [" ".join(event.key) for event in distinct(facts)] == [
        "Z message.failed",
        "a message.delivered",
        "a message.failed",
        "a message.failed",
        "b message.failed",
    ]


def test_the_ledger_has_one_fact_a_key_in_the_order_of_keys() -> None:
    facts = [message_fact("failed", 1, id=name) for name in ("b", "a", "Z", "a")] + [
        message_fact("delivered", 1, id="a")
    ]
    facts.append(message_fact("failed", 2, id="a"))
    assert {" ".join(key): event.occurred_at for key, event in holding(distinct(facts)).items()} == {
        "Z message.failed": minute(1),
        "a message.delivered": minute(1),
        "a message.failed": minute(2),
        "b message.failed": minute(1),
    }
    assert list(holding(distinct(facts))) == sorted(holding(facts))


def test_keys_are_sorted_as_both_databases_sort_them() -> None:
    """By their bytes: another order here, and two workers would lock the same rows in a circle."""
    ids = ["\uffff", "\U00010000", "a", "B", "é", "e\u0301", "_", "10", "9"]
    keys = [event.key for event in distinct(message_fact("failed", 1, id=name) for name in ids)]
    assert keys == sorted(keys, key=lambda key: [part.encode() for part in key])
    assert list(by_subject(message_fact("failed", 1, id=name) for name in ids)) == [subject for subject, _ in keys]


def test_facts_are_grouped_by_their_subject() -> None:
    facts = [
        message_fact("failed", 1),
        message_fact("delivered", 1, id="y"),
        fact("campaign.sent", 1),
        message_fact("optout", 1),
    ]
    assert {subject: {event.name for event in events} for subject, events in by_subject(facts).items()} == {
        "x": {"message.failed", "campaign.sent", "message.optout"},
        "y": {"message.delivered"},
    }
