"""The comparison finds what it is there to find. Had it been blind, every case of this folder would pass."""

from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise

import pytest
from sqlalchemy import Engine, text

from sync.store.apply import apply
from tests.conftest import NOW
from tests.faults.oracle import Differences, differences, expected, stored
from tests.faults.traffic import COPY_SHARE, traffic
from tests.support.deliveries import Delivery
from tests.support.events_builder import AO

DELIVERIES = list(islice(traffic(20260624), 1000))


@pytest.fixture
def compare(engine: Engine) -> Callable[[], Differences]:
    """A database to which DELIVERIES were applied, and its comparison with what they make."""
    for start in range(0, len(DELIVERIES), 500):
        raw_events = [delivery.raw for delivery in DELIVERIES[start : start + 500]]
        apply(engine, raw_events, options=AO, now=NOW)
    return lambda: differences(expected(DELIVERIES), stored(engine))


def test_nothing_differs_where_every_delivery_was_applied(compare: Callable[[], Differences]) -> None:
    assert not compare(), compare()
    assert compare().counts == (0, 0, 0)


# One change, and what it must be found as: missing, too many, differing.
CHANGES = {
    "an event is missing": (
        "DELETE FROM events WHERE subject_id = (SELECT max(subject_id) FROM events)",
        (1, 0, 0),
    ),
    "a message is missing": (
        "DELETE FROM message_status WHERE message_id = (SELECT max(message_id) FROM message_status)",
        (1, 0, 0),
    ),
    "a dead letter is missing": (
        "DELETE FROM dead_letters WHERE digest = (SELECT min(digest) FROM dead_letters)",
        (1, 0, 0),
    ),
    "a campaign is missing": (
        "DELETE FROM campaign_status WHERE campaign_id = (SELECT min(campaign_id) FROM campaign_status)",
        (1, 0, 0),
    ),
    "an opt-out is missing, also among those in force": (
        "DELETE FROM opt_outs WHERE address = (SELECT min(address) FROM opt_outs)",
        (2, 0, 0),
    ),
    "an opt-out is no longer in force": (
        "UPDATE opt_outs SET opted_in_at = '2090-01-01' WHERE address = (SELECT min(address) FROM opt_outs)",
        (1, 0, 1),
    ),
    "a message has another status": (
        "UPDATE message_status SET status = 'queued' WHERE message_id = (SELECT min(message_id) FROM message_status)",
        (0, 0, 1),
    ),
    "a message has its status from an earlier time": (
        "UPDATE message_status SET status_at = '2020-01-01' WHERE message_id = "
        "(SELECT min(message_id) FROM message_status WHERE status = 'delivered')",
        (0, 0, 1),
    ),
    "a message has no recipient": (
        "UPDATE message_status SET recipient = NULL WHERE message_id = (SELECT min(message_id) FROM message_status)",
        (0, 0, 1),
    ),
    "a conflict is not marked": (
        "UPDATE message_status SET conflict = NOT conflict WHERE message_id = "
        "(SELECT min(message_id) FROM message_status WHERE conflict)",
        (0, 0, 1),
    ),
    "a campaign has another status": (
        "UPDATE campaign_status SET status = 'sent' WHERE campaign_id = "
        "(SELECT min(campaign_id) FROM campaign_status WHERE status = 'completed')",
        (0, 0, 1),
    ),
    "an event has another body": (
        "UPDATE events SET digest = 'x' WHERE subject_id = (SELECT max(subject_id) FROM events)",
        (0, 0, 1),
    ),
    "a body is missing": ("DELETE FROM bodies WHERE id = (SELECT max(id) FROM bodies)", (1, 0, 0)),
    "a body is kept twice": (
        "INSERT INTO bodies (received_at, subject_id, event, body) SELECT received_at, subject_id, event, body "
        "FROM bodies WHERE id = (SELECT max(id) FROM bodies)",
        (0, 1, 0),
    ),
    "a body is of another event": (
        "UPDATE bodies SET event = 'message.unknown' WHERE id = "
        "(SELECT max(id) FROM bodies WHERE event = 'message.delivered')",
        (0, 0, 1),
    ),
    "a further body is missing": (
        "DELETE FROM further_bodies WHERE digest = (SELECT min(digest) FROM further_bodies)",
        (1, 0, 0),
    ),
    "an opt-out was stated twice": (
        "INSERT INTO opt_out_history (kind, channel, address, sender, applied_at, source, message_id, digest) "
        "SELECT kind, 'slack', address, sender, applied_at, source, message_id, digest FROM opt_out_history "
        "WHERE id = (SELECT min(id) FROM opt_out_history)",
        (0, 1, 0),
    ),
    "an opt-out names nobody": (
        "INSERT INTO nameless_opt_outs SELECT subject_id, digest, received_at, received_at FROM events "
        "WHERE subject_id = (SELECT max(subject_id) FROM events)",
        (0, 1, 0),
    ),
    "a dead letter was tried twice": (
        "UPDATE dead_letters SET attempts = 2 WHERE digest = (SELECT min(digest) FROM dead_letters)",
        (0, 0, 1),
    ),
    "an event is too many": (
        "INSERT INTO events (subject_id, event, occurred_at, received_at, applied_at, body_id, is_dated, outcome, "
        "digest) SELECT 'msg_x', event, occurred_at, received_at, applied_at, body_id, is_dated, outcome, digest "
        "FROM events WHERE subject_id = (SELECT max(subject_id) FROM events)",
        (0, 1, 0),
    ),
    "a dead letter is too many": (
        "INSERT INTO dead_letters (digest, body, reason, error, received_at, attempts, may_opt_out) "
        "SELECT 'x', body, reason, error, received_at, attempts, may_opt_out FROM dead_letters "
        "WHERE digest = (SELECT min(digest) FROM dead_letters)",
        (0, 1, 0),
    ),
    "a message is too many": (
        "INSERT INTO message_status (message_id, conflict, updated_at) SELECT 'msg_x', conflict, updated_at "
        "FROM message_status WHERE message_id = (SELECT min(message_id) FROM message_status)",
        (0, 1, 0),
    ),
    "an opt-out is too many, also among those in force": (
        "INSERT INTO opt_outs (channel, address, sender, opted_out_at, received_at, source, updated_at) "
        "SELECT 'slack', address, sender, opted_out_at, received_at, source, updated_at FROM opt_outs "
        "WHERE address = (SELECT min(address) FROM opt_outs)",
        (0, 2, 0),
    ),
    "an event stayed in the inbox": (
        "INSERT INTO inbox (body, received_at, due_at) SELECT body, received_at, received_at FROM dead_letters "
        "WHERE digest = (SELECT min(digest) FROM dead_letters)",
        (0, 1, 0),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_single_row_that_is_missing_too_many_or_different_is_found(
    compare: Callable[[], Differences], engine: Engine, change: str
) -> None:
    statement, counts = CHANGES[change]
    with engine.begin() as connection:
        assert connection.execute(text(statement)).rowcount == 1
    assert compare().counts == counts, compare()


def test_differences_are_told_without_a_word_of_what_differs(
    compare: Callable[[], Differences], engine: Engine
) -> None:
    with engine.begin() as connection:
        for name in ("events", "opt_outs", "message_status"):
            connection.execute(text(f"DELETE FROM {name}"))
    words = repr(compare())
    assert "missing in events" in words
    assert "missing in opt_outs" in words
    assert "msg_" not in words
    assert "+244" not in words


def test_the_traffic_holds_what_a_busy_day_does() -> None:
    kinds = Counter(delivery.event for delivery in DELIVERIES)
    assert {"message.delivered", "message.failed", "message.undeliverable", "message.optout", None} <= kinds.keys()
    assert {"campaign.sent", "campaign.completed", "message.unknown", "webhook.test"} <= kinds.keys()
    assert kinds["message.delivered"] > len(DELIVERIES) / 2
    bodies = Counter(delivery.body for delivery in DELIVERIES)
    assert sum(bodies.values()) - len(bodies) == pytest.approx(len(DELIVERIES) * COPY_SHARE, rel=0.3)
    times = [delivery.at for delivery in DELIVERIES if delivery.at]
    assert sum(later < earlier for earlier, later in pairwise(times)) > len(DELIVERIES) / 10


def test_the_traffic_is_the_same_for_a_seed_and_another_for_another() -> None:
    def bodies(seed: int) -> list[bytes]:
        return [delivery.body for delivery in islice(traffic(seed), 100)]

    assert bodies(1) == bodies(1)
    assert not set(bodies(1)) & set(bodies(2))


def test_a_delivery_more_or_less_makes_other_tables() -> None:
    last: Delivery = next(delivery for delivery in DELIVERIES if delivery.event == "message.delivered")
    assert differences(
        expected(DELIVERIES), expected([delivery for delivery in DELIVERIES if delivery.body != last.body])
    )
