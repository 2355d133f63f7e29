"""What is counted of an address after a failure."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from sync.reports.failure_codes import count
from sync.reports.failure_codes.count import FailedMessage, FailureCounter, Fate, failed_from
from sync.reports.failure_codes.judge import FailureCode

AT = datetime(2026, 6, 24, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def failed(recipient: str, code: str | None = "21610", reason: str | None = None, at: datetime = AT) -> FailedMessage:
    return FailedMessage("sms", recipient, at, code, reason)


def counts(*pairs: tuple[FailedMessage, Fate | None]) -> dict[str, FailureCode]:
    counter = FailureCounter()
    for failure, fate in pairs:
        if counter.wanted([failure]):
            counter.add(failure, fate)
    return {counted.entry: counted for counted in counter.counts()}


@pytest.mark.parametrize(
    ("fate", "addresses", "never_again", "received_before"),
    [
        (None, 0, 0, 0),
        (Fate(None, None, AT), 0, 0, 0),
        (Fate(None, None, AT + DAY / 2), 0, 0, 0),
        (Fate(None, None, AT + DAY), 1, 1, 0),
        (Fate(AT - DAY, AT - DAY, AT + DAY), 1, 1, 1),
        (Fate(AT - DAY, AT + DAY / 24, AT + DAY), 1, 0, 0),
        (Fate(AT + 2 * DAY, AT + 2 * DAY, AT + 3 * DAY), 1, 0, 0),
    ],
    ids=["unknown", "not tried", "tried at once", "never", "received before", "received soon", "received later"],
)
def test_who_was_tried_a_day_later_counts_and_who_received_nothing_since_never_received_again(
    fate: Fate | None, addresses: int, never_again: int, received_before: int
) -> None:
    counted = counts((failed("a"), fate))["21610"]
    assert (counted.addresses, counted.never_again, counted.received_before) == (
        addresses,
        never_again,
        received_before,
    )


def test_an_address_counts_once_for_a_code_from_its_first_failure_on() -> None:
    fate = Fate(None, AT + DAY, AT + 9 * DAY)
    counted = counts((failed("a"), fate), (failed("a", at=AT + 2 * DAY), fate), (failed("b"), fate))["21610"]
    assert (counted.addresses, counted.never_again) == (2, 0)


def test_a_failure_counts_for_its_code_and_for_its_reason_as_the_setting_matches_either() -> None:
    fate = Fate(None, None, AT + DAY)
    counted = counts(
        (failed("a", "1", "stop"), fate),
        (failed("b", "2", "stop"), fate),
        (failed("a", "1", "off"), fate),
        (failed("c", None, "gone"), fate),
    )
    assert {entry: (count.addresses, count.code) for entry, count in counted.items()} == {
        "1": (1, None),
        "2": (1, None),
        "stop": (2, None),
        "off": (1, "1"),
        "gone": (1, None),
    }


@pytest.mark.parametrize(
    ("code", "reason", "entries"),
    [
        ("21610.0", "Has  Opted OUT", [("21610", None), ("has opted out", "21610")]),
        ("0", "Stopped", [("stopped", None)]),
        (None, "one, two", []),
        ("1", "call +244 912 345 678", [("1", None)]),
        ("1", "ana@example.com is unknown", [("1", None)]),
        ("1", "x" * 300, [("1", None)]),
        ("stop", "STOP", [("stop", None)]),
    ],
)
def test_entries_are_as_the_setting_names_them_and_quote_nobody(
    code: str | None, reason: str | None, entries: list[tuple[str, str | None]]
) -> None:
    row = SimpleNamespace(channel=None, recipient="a", status_at=AT, failure_code=code, failure_reason=reason)
    assert list(failed_from(row).entries) == entries


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    fate = Fate(None, None, AT + DAY)
    monkeypatch.setattr(count, "ADDRESSES_MAX", 3)
    monkeypatch.setattr(count, "ENTRIES_MAX", 2)
    many = [(failed(str(number), str(number % 5)), fate) for number in range(100)]
    assert {entry: count.addresses for entry, count in counts(*many).items()} == {"0": 3, "1": 3}
    monkeypatch.setattr(count, "SEEN_MAX", 4)
    assert sum(count.addresses for count in counts(*many).values()) == 4
