"""Which failures look like opt-outs, from counts of addresses. Pure.

The reasons for every number here are in docs/decisions/0029-codes-that-look-like-opt-outs.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from shlex import quote

# So many addresses got the failure and were tried again, or nothing is proposed.
ADDRESSES_MIN = 20
# At least this share of them never received again, as sure as the bound says.
NEVER_AGAIN_MIN = 0.8
# Of the normal distribution: each of the two bounds is wrong in one case of forty.
Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCode:
    """What was counted of an entry that ZEXA_OPT_OUT_FAILURES may have, on one channel ('' if none is known).

    `entry` is a code or a whole reason as `failure_key` returns it. `addresses` got it and were tried again,
    `never_again` of these received nothing since, and `received_before` of the latter had received before. `code` is
    the entry of the code that came with the reason, if it was always the same. It is null if the entry is a code
    itself.
    """

    channel: str
    entry: str
    code: str | None
    addresses: int
    never_again: int
    received_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCode:
    """A failure code with the share of `never_again` that is sure at least, and with what it was compared with."""

    counted: FailureCode
    at_least: float
    others: int
    others_never_again: int
    is_proposed: bool


def share_bounds(part: int, whole: int) -> tuple[float, float]:
    """Return the least and the greatest share that `part` of `whole` may stand for; 0 and 1 if there is none.

    They are Wilson's, which hold for few addresses and for shares near 1 too:
    https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm
    """
    if not whole:
        return 0.0, 1.0
    share, squared = part / whole, Z * Z
    middle = (share + squared / (2 * whole)) / (1 + squared / whole)
    spread = Z * sqrt(share * (1 - share) / whole + squared / (4 * whole * whole)) / (1 + squared / whole)
    return max(0.0, middle - spread), min(1.0, middle + spread)


def judge(counts: Iterable[FailureCode], already: frozenset[str]) -> list[JudgedCode]:
    """Return each of `counts` judged, proposals first, then by how many addresses there are.

    `already` are the entries that ZEXA_OPT_OUT_FAILURES has: these are neither proposed nor compared with.
    """
    in_order = sorted(counts, key=lambda counted: (counted.channel, counted.entry))
    by_entry: dict[str, list[FailureCode]] = {}
    for counted in in_order:
        by_entry.setdefault(counted.entry, []).append(counted)
    others = [counted for counted in in_order if counted.entry not in already and not _is_suspect(counted)]
    judged = [_judged(counted, others, by_entry[counted.entry], already) for counted in in_order]
    proposed = {(judgement.counted.channel, judgement.counted.entry) for judgement in judged if judgement.is_proposed}
    # If the code says it, or is set, its reasons need not.
    final = [
        replace(judgement, is_proposed=False)
        if judgement.counted.code in already or (judgement.counted.channel, judgement.counted.code) in proposed
        else judgement
        for judgement in judged
    ]
    return sorted(final, key=lambda judgement: (not judgement.is_proposed, -judgement.counted.addresses))


def _judged(
    counted: FailureCode, others: Sequence[FailureCode], alike: Sequence[FailureCode], already: frozenset[str]
) -> JudgedCode:
    """Judge one. `others` do not look like opt-outs; `alike` are the same entry on every channel."""
    addresses, never_again = _compared_with(counted, others)
    at_least = share_bounds(counted.never_again, counted.addresses)[0]
    is_proposed = (
        counted.entry not in already
        and _is_suspect(counted)
        and addresses >= ADDRESSES_MIN
        and at_least > share_bounds(never_again, addresses)[1]
        # The setting holds for every channel.
        and not any(
            share_bounds(failure_code.never_again, failure_code.addresses)[1] < NEVER_AGAIN_MIN
            for failure_code in alike
        )
    )
    return JudgedCode(
        counted=counted, at_least=at_least, others=addresses, others_never_again=never_again, is_proposed=is_proposed
    )


def _is_suspect(counted: FailureCode) -> bool:
    return (
        counted.addresses >= ADDRESSES_MIN
        and share_bounds(counted.never_again, counted.addresses)[0] >= NEVER_AGAIN_MIN
    )


def _compared_with(counted: FailureCode, others: Sequence[FailureCode]) -> tuple[int, int]:
    """Return how many addresses got another failure and how many of these never received again.

    They are those of the same channel, or of all channels if these are too few. A reason beside its code would count
    an address twice, so only codes count, and reasons that came without one.
    """
    codes = [
        failure_code
        for failure_code in others
        if failure_code.code is None and failure_code.entry not in (counted.entry, counted.code)
    ]
    of_channel = [failure_code for failure_code in codes if failure_code.channel == counted.channel]
    compared = of_channel if sum(failure_code.addresses for failure_code in of_channel) >= ADDRESSES_MIN else codes
    return sum(failure_code.addresses for failure_code in compared), sum(
        failure_code.never_again for failure_code in compared
    )


def setting_line(already: Iterable[str], proposed: Iterable[str]) -> str:
    """Return the line that sets ZEXA_OPT_OUT_FAILURES to what it has and what is proposed, quoted if it has blanks.

    Reasons are the provider's words: a shell that the line is pasted into takes them for nothing else.
    """
    value = ",".join(dict.fromkeys((*sorted(already), *proposed)))
    if all(letter.isalnum() or letter in ",._-+" for letter in value):
        return f"ZEXA_OPT_OUT_FAILURES={value}"
    quoted = quote(value) if any(letter in '"$`\\!' for letter in value) else f'"{value}"'
    return f"ZEXA_OPT_OUT_FAILURES={quoted}"
