"""Which failures are proposed as opt-outs: only those after which addresses surely never receive again."""

import shlex
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.reports.failure_codes.judge import (
    ADDRESSES_MIN,
    NEVER_AGAIN_MIN,
    FailureCode,
    Z,
    judge,
    setting_line,
    share_bounds,
)

COUNTS = st.integers(0, 3000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole)))


def counted(
    entry: str, never_again: int, addresses: int, *, channel: str = "sms", code: str | None = None
) -> FailureCode:
    return FailureCode(
        channel=channel, entry=entry, code=code, addresses=addresses, never_again=never_again, received_before=0
    )


def proposed(*counts: FailureCode, already: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    judged = judge(counts, frozenset(already))
    assert [judgement.is_proposed for judgement in judged] == sorted(
        (judgement.is_proposed for judgement in judged), reverse=True
    )
    return [(judgement.counted.channel, judgement.counted.entry) for judgement in judged if judgement.is_proposed]


# The telephone was off: a tenth is never reached again.
OFF = counted("30003", 20, 200)


@given(counts=COUNTS)
def test_a_share_lies_between_its_bounds(counts: tuple[int, int]) -> None:
    part, whole = counts
    least, greatest = share_bounds(part, whole)
    assert 0 <= least <= greatest <= 1
    assert not whole or least - 1e-9 <= part / whole <= greatest + 1e-9


@given(counts=COUNTS, times=st.integers(2, 20))
def test_more_addresses_of_the_same_share_make_it_surer(counts: tuple[int, int], times: int) -> None:
    part, whole = counts
    few, many = share_bounds(part, whole), share_bounds(part * times, whole * times)
    assert many[0] >= few[0] - 1e-9
    assert many[1] <= few[1] + 1e-9


@given(counts=COUNTS.filter(lambda counts: counts[1] > 0))
def test_the_bounds_are_wilsons(counts: tuple[int, int]) -> None:
    """The shares from which what was counted is as far away as Z times their own standard deviation."""
    part, whole = counts
    for bound in share_bounds(part, whole):
        assert (part / whole - bound) ** 2 == pytest.approx(Z**2 * bound * (1 - bound) / whole, abs=1e-9)
    assert share_bounds(0, 0) == (0.0, 1.0)


def test_a_code_after_which_nobody_receives_again_is_proposed_and_one_of_switched_off_telephones_is_not() -> None:
    assert proposed(counted("21610", 98, 100), OFF) == [("sms", "21610")]


def test_the_least_number_of_addresses_is_enough_and_one_less_is_not() -> None:
    assert proposed(counted("21610", ADDRESSES_MIN, ADDRESSES_MIN), OFF) == [("sms", "21610")]
    assert proposed(counted("21610", ADDRESSES_MIN - 1, ADDRESSES_MIN - 1), OFF) == []


def test_a_share_that_only_chance_made_so_high_is_not_proposed() -> None:
    assert proposed(counted("21610", 18, 20), OFF) == []  # 90 %, but perhaps 70 %
    assert proposed(counted("21610", 900, 1000), OFF) == [("sms", "21610")]


def test_if_nobody_receives_again_after_any_failure_no_code_is_proposed() -> None:
    others = [counted(str(number), 15, 16) for number in range(20)]  # none of them is sure by itself
    assert proposed(counted("21610", 96, 100), *others) == []


def test_without_other_failures_there_is_nothing_to_compare_with() -> None:
    assert proposed(counted("21610", 100, 100)) == []
    assert proposed(counted("21610", 100, 100), counted("30003", 1, ADDRESSES_MIN - 1)) == []


def test_other_channels_are_compared_with_if_the_own_has_too_few() -> None:
    assert proposed(counted("21610", 100, 100), replace(OFF, channel="whatsapp")) == [("sms", "21610")]


def test_two_codes_of_opt_outs_do_not_hide_each_other() -> None:
    opt_out_codes = [counted("21610", 990, 1000), counted("blocked", 90, 100)]
    assert set(proposed(*opt_out_codes, OFF)) == {("sms", "21610"), ("sms", "blocked")}


def test_what_is_set_already_is_neither_proposed_nor_compared_with() -> None:
    assert proposed(counted("21610", 100, 100), OFF, already=("21610",)) == []
    assert proposed(counted("21610", 100, 100), counted("30003", 1, 100), already=("30003",)) == []
    reason = counted("has opted out", 100, 100, code="21610")
    assert proposed(counted("21610", 100, 100), reason, OFF, already=("21610",)) == []


def test_a_code_that_means_something_else_on_another_channel_is_not_proposed() -> None:
    elsewhere = counted("21610", 1, 10, channel="whatsapp")
    assert proposed(counted("21610", 100, 100), OFF, elsewhere) == []
    alike = counted("21610", 10, 10, channel="whatsapp")
    assert proposed(counted("21610", 100, 100), OFF, alike) == [("sms", "21610")]


def test_a_reason_is_proposed_only_if_its_code_is_not() -> None:
    reason = counted("has opted out", 100, 100, code="21610")
    assert proposed(counted("21610", 100, 100), reason, OFF) == [("sms", "21610")]
    assert proposed(counted("21610", 150, 1000), reason, OFF) == [("sms", "has opted out")]
    assert proposed(counted("has opted out", 100, 100), OFF) == [("sms", "has opted out")]


@given(
    counts=st.lists(
        st.builds(
            counted,
            st.sampled_from(["1", "2", "3", "a", "b"]),
            st.integers(0, 300),
            st.integers(300, 400),
            channel=st.sampled_from(["sms", "email"]),
            code=st.sampled_from([None, "1", "2"]),
        ),
        max_size=8,
        unique_by=lambda count: (count.channel, count.entry),
    ),
    already=st.frozensets(st.sampled_from(["1", "a"])),
)
def test_every_proposal_is_sure_compared_and_new_whatever_else_failed(
    counts: list[FailureCode], already: frozenset[str]
) -> None:
    judged = judge(counts, already)
    assert sorted(map(repr, (judgement.counted for judgement in judged))) == sorted(map(repr, counts))
    assert judge(counts[::-1], already) == judged or len({judgement.counted.addresses for judgement in judged}) < len(
        judged
    )
    for judgement in judged:
        if judgement.is_proposed:
            assert judgement.counted.entry not in already
            assert judgement.at_least >= NEVER_AGAIN_MIN
            assert judgement.at_least > judgement.others_never_again / judgement.others
            assert min(judgement.counted.addresses, judgement.others) >= ADDRESSES_MIN


def test_the_line_keeps_what_is_set_and_quotes_blanks() -> None:
    assert setting_line(["21610"], ["103"]) == "ZEXA_OPT_OUT_FAILURES=21610,103"
    assert setting_line([], ["has opted out"]) == 'ZEXA_OPT_OUT_FAILURES="has opted out"'
    assert setting_line(["1"], ["1", "2"]) == "ZEXA_OPT_OUT_FAILURES=1,2"


@pytest.mark.parametrize("reason", ['said "stop"', "$(touch x)", "`touch x`", "a\\", "it's $HOME", "50% & more; #1"])
def test_a_shell_reads_the_line_as_the_reason(reason: str) -> None:
    assert shlex.split(setting_line(["103"], [reason])) == [f"ZEXA_OPT_OUT_FAILURES=103,{reason}"]
    shown = subprocess.run(
        ["sh", "-c", f'{setting_line([], [reason])}; printf %s "$ZEXA_OPT_OUT_FAILURES"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == reason
