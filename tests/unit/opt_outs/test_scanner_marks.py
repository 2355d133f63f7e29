"""Which e-mail opt-outs are marked as possibly a mail scanner's."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.opt_outs.scanner_marks import (
    BURST_ADDRESSES,
    BURST_SECONDS,
    DELIVERY_SECONDS,
    PUBLIC_DOMAINS,
    MailOptOut,
    scanner_marks,
)

AT = datetime(2026, 6, 24, 10, tzinfo=UTC)


def opt_out(
    number: int, seconds: float, *, person: str | None = None, domain: str = "example.com", after: float | None = None
) -> MailOptOut:
    at = AT + timedelta(seconds=seconds)
    delivered_at = None if after is None else at - timedelta(seconds=after)
    return MailOptOut(
        statement_id=number, person=person or f"p{number}@{domain}", occurred_at=at, delivered_at=delivered_at
    )


@pytest.mark.parametrize("after", [0, 2, DELIVERY_SECONDS, -3])
def test_an_opt_out_within_seconds_of_the_delivery_is_marked(after: float) -> None:
    (mark,) = scanner_marks([opt_out(1, 0, after=after)]).values()
    assert (mark.seconds_after_delivery, mark.burst) == (after, 0)


@pytest.mark.parametrize("after", [None, DELIVERY_SECONDS + 0.1, 3600, -DELIVERY_SECONDS - 0.1])
def test_one_long_after_the_delivery_is_not(after: float | None) -> None:
    assert scanner_marks([opt_out(1, 0, after=after)]) == {}


def test_many_of_one_domain_within_a_minute_are_marked_and_one_fewer_are_not() -> None:
    burst = [opt_out(number, number * BURST_SECONDS / (BURST_ADDRESSES - 1)) for number in range(BURST_ADDRESSES)]
    marks = scanner_marks(burst)
    assert {mark.burst for mark in marks.values()} == {BURST_ADDRESSES}
    assert {mark.domain for mark in marks.values()} == {"example.com"}
    assert marks.keys() == set(range(BURST_ADDRESSES))
    assert scanner_marks(burst[1:]) == {}
    assert scanner_marks([*burst[1:], opt_out(99, BURST_SECONDS * 1.5)]) == {}


def test_one_person_who_says_stop_often_is_no_burst() -> None:
    assert scanner_marks([opt_out(number, number, person="a@example.com") for number in range(50)]) == {}


@pytest.mark.parametrize("domain", ["gmail.com", "outlook.pt"])
def test_many_of_a_public_provider_are_no_burst(domain: str) -> None:
    assert domain in PUBLIC_DOMAINS
    assert scanner_marks([opt_out(number, 0, domain=domain) for number in range(50)]) == {}
    assert len(scanner_marks([opt_out(number, 0, domain=domain, after=1) for number in range(50)])) == 50


@given(
    opt_outs=st.lists(
        st.tuples(st.integers(0, 25), st.integers(0, 120), st.sampled_from(["a.example", "b.example"])),
        min_size=5,
        max_size=60,
    )
)
def test_a_burst_is_the_fullest_minute_that_an_opt_out_is_in(opt_outs: list[tuple[int, int, str]]) -> None:
    known = [
        opt_out(number, seconds, person=f"{person}@{domain}")
        for number, (person, seconds, domain) in enumerate(opt_outs)
    ]
    marks = scanner_marks(known)
    assert scanner_marks(known[::-1]) == marks
    for one in known:
        near = [other for other in known if other.domain == one.domain]
        fullest = max(
            len(
                {
                    other.person
                    for other in near
                    if timedelta() <= other.occurred_at - first.occurred_at <= timedelta(seconds=BURST_SECONDS)
                }
            )
            for first in near
            if timedelta() <= one.occurred_at - first.occurred_at <= timedelta(seconds=BURST_SECONDS)
        )
        found = marks.get(one.statement_id)
        assert (found.burst if found else 0) == (fullest if fullest >= BURST_ADDRESSES else 0)
