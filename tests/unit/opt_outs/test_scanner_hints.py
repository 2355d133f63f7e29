"""Which e-mail opt-outs may be a mail scanner's."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.opt_outs.scanner_hints import (
    BURST_ADDRESSES,
    BURST_SECONDS,
    DELIVERY_SECONDS,
    PUBLIC_DOMAINS,
    MailOptOut,
    scanner_hints,
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
def test_an_opt_out_within_seconds_of_the_delivery_has_a_hint(after: float) -> None:
    (hint,) = scanner_hints([opt_out(1, 0, after=after)]).values()
    assert (hint.seconds_after_delivery, hint.burst) == (after, 0)


@pytest.mark.parametrize("after", [None, DELIVERY_SECONDS + 0.1, 3600, -DELIVERY_SECONDS - 0.1])
def test_one_long_after_the_delivery_is_not(after: float | None) -> None:
    assert scanner_hints([opt_out(1, 0, after=after)]) == {}


def test_many_of_one_domain_within_a_minute_have_hints_and_one_fewer_have_none() -> None:
    burst = [opt_out(number, number * BURST_SECONDS / (BURST_ADDRESSES - 1)) for number in range(BURST_ADDRESSES)]
    hints = scanner_hints(burst)
    assert {hint.burst for hint in hints.values()} == {BURST_ADDRESSES}
    assert {hint.domain for hint in hints.values()} == {"example.com"}
    assert hints.keys() == set(range(BURST_ADDRESSES))
    assert scanner_hints(burst[1:]) == {}
    assert scanner_hints([*burst[1:], opt_out(99, BURST_SECONDS * 1.5)]) == {}


def test_the_fullest_minute_counts_of_those_that_an_opt_out_is_in() -> None:
    at = [0] * 14 + [50] * 5 + [100] * 9
    hints = scanner_hints(opt_out(number, seconds) for number, seconds in enumerate(at))
    assert [hints[number].burst for number in range(len(at))] == [19] * 19 + [14] * 9


def test_one_person_who_says_stop_often_is_no_burst() -> None:
    assert scanner_hints([opt_out(number, number, person="a@example.com") for number in range(50)]) == {}


@pytest.mark.parametrize("domain", ["gmail.com", "outlook.pt"])
def test_many_of_a_public_provider_are_no_burst(domain: str) -> None:
    assert domain in PUBLIC_DOMAINS
    assert scanner_hints([opt_out(number, 0, domain=domain) for number in range(50)]) == {}
    assert len(scanner_hints([opt_out(number, 0, domain=domain, after=1) for number in range(50)])) == 50


@given(
    opt_outs=st.lists(
        st.tuples(st.integers(0, 25), st.integers(0, 120), st.sampled_from(["a.example", "b.example"])),
        min_size=5,
        max_size=60,
    )
)
def test_a_burst_is_the_fullest_minute_that_an_opt_out_is_in(opt_outs: list[tuple[int, int, str]]) -> None:
    statements = [
        opt_out(number, seconds, person=f"{person}@{domain}")
        for number, (person, seconds, domain) in enumerate(opt_outs)
    ]
    hints = scanner_hints(statements)
    assert scanner_hints(statements[::-1]) == hints
    for statement in statements:
        near = [other for other in statements if other.domain == statement.domain]
        fullest = max(
            len(
                {
                    other.person
                    for other in near
                    if timedelta() <= other.occurred_at - first.occurred_at <= timedelta(seconds=BURST_SECONDS)
                }
            )
            for first in near
            if timedelta() <= statement.occurred_at - first.occurred_at <= timedelta(seconds=BURST_SECONDS)
        )
        hint = hints.get(statement.statement_id)
        assert (hint.burst if hint else 0) == (fullest if fullest >= BURST_ADDRESSES else 0)
