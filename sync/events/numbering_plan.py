"""Reads the commonest forms of a number without parsing it: a quick answer, or none. Pure.

What providers send and people write nearly always is one of these, and parsing costs twenty times as much. The rules
are read from libphonenumber's own tables. A test over the example numbers of all regions holds them to its judgement.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import phonenumbers

_PLUS_AND_DIGITS = re.compile(r"\+[1-9]\d{2}", re.ASCII)
_DIGITS = re.compile(r"[1-9]\d{4,14}", re.ASCII)
E164_DIGITS = range(7, 16)  # of numbers that are merely possible
_NOTHING = re.compile(r"(?!)")
# A plus, and a calling code has three digits at the most.
_START_CHARACTERS = 4
_OF_TWO_SPELLINGS = ("52", "54", "55")  # what is no number there may be one in its other spelling
_TYPES = (
    *("premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail"),
    *("fixed_line", "mobile"),
)


class Judgement(NamedTuple):
    """What parsing makes of some digits: a number in E.164, '' if there is none, and whether it exists."""

    number: str
    is_valid: bool  # it lies in a known range
    is_possible: bool  # it is as long as numbers of its country are


def quickly_read(text: str, default_region: str) -> str | None:
    """Return the one number in E.164 that `text` surely is; None if only parsing tells."""
    if text[:1] == "+":
        return text if _canonical_match(text[:_START_CHARACTERS])(text) else None
    if not _DIGITS.fullmatch(text) or (region := _region(default_region)) is None:
        return None
    international = f"+{text}"
    if region.is_whole(text):
        return international if is_canonical(international) else None
    national = quickly_judged(text, default_region)
    if national is not None and national.is_valid and not _may_be_valid(international):
        return national.number
    abroad = quickly_judged(international, "")
    return _better(national, abroad) if national is not None and abroad is not None else None


def _better(national: Judgement, abroad: Judgement) -> str | None:
    if national.is_valid is not abroad.is_valid:
        return national.number if national.is_valid else abroad.number
    if national.is_valid or national.is_possible is abroad.is_possible:
        return None
    return national.number if national.is_possible else abroad.number


def quickly_judged(digits: str, region: str) -> Judgement | None:
    """Return what `digits` are as a number of `region`, or with their country code if a plus stands before them.

    None if only parsing tells.
    """
    if digits[0] == "+":
        return _quickly_judged_abroad(digits)
    dialling = _region(region)
    if dialling is None:
        return None
    if digits.startswith(dialling.calling_code):
        return _quickly_judged_abroad(f"+{digits}") if dialling.is_whole(digits) else None
    if digits[0] == "0" or dialling.dialled_before.match(digits):
        return None
    return _in_plan(dialling.calling_code, digits, dialling.plan)


def _quickly_judged_abroad(number: str) -> Judgement | None:
    if len(number) <= _START_CHARACTERS or number[1] == "0":
        return None
    end, plan = _plan_of(number)
    if plan is None:
        return Judgement(number, False, False)
    rest = number[end:]
    return None if rest[:1] == "0" or plan.national_prefix.match(rest) else _in_plan(number[1:end], rest, plan)


def _plan_of(number: str) -> "tuple[int, _Plan | None]":
    """Return where the calling code of a number with a plus ends, and its plan if there is such a code."""
    for end in (2, 3, 4):
        if plan := _plan(number[1:end]):
            return end, plan
    return 0, None


def _may_be_valid(number: str) -> bool:
    """Return False only if parsing would surely find that `number`, with a plus, lies in no known range.

    Of a number with what may be a prefix for calls within the country, parsing judges the whole or what stands behind.
    """
    end, plan = _plan_of(number)
    if plan is None or plan.valid is None or plan.is_rewritten or number[1:end] in _OF_TWO_SPELLINGS:
        return plan is not None
    rest = number[end:]
    prefix = plan.national_prefix.match(rest)
    return any(plan.valid.fullmatch(digits) for digits in (rest, rest[prefix.end() :] if prefix else rest))


def _in_plan(calling_code: str, rest: str, plan: "_Plan") -> Judgement | None:
    number = f"+{calling_code}{rest}"
    if plan.valid is None:
        return None if len(rest) in plan.any_lengths else Judgement(number, False, False)
    if plan.valid.fullmatch(rest):
        return Judgement(number, True, True)
    if calling_code in _OF_TWO_SPELLINGS:
        return None
    return Judgement(number, False, len(rest) in plan.lengths and len(calling_code) + len(rest) in E164_DIGITS)


def is_canonical(number: str) -> bool:
    """Return whether `number` is a possible one in E.164 that parsing would surely give back as it is."""
    return _canonical_match(number[:_START_CHARACTERS])(number) is not None


@lru_cache(maxsize=4096)
def _canonical_match(start: str) -> Callable[[str], object]:
    """Return what tells, of a number that begins with `start`, whether it is kept."""
    if not _PLUS_AND_DIGITS.fullmatch(start):
        return _NOTHING.fullmatch
    for end in range(2, len(start) + 1):
        if plan := _plan(start[1:end]):
            digits = "|".join(rf"\d{{{length}}}" for length in plan.lengths if length + end - 1 in E164_DIGITS)
            # Zeros in front, and what may be a prefix for calls within the country, are for the parser to judge.
            return re.compile(rf"\+{start[1:end]}(?!0|{plan.prefix})(?:{digits})", re.ASCII).fullmatch
    return _NOTHING.fullmatch


class _Plan(NamedTuple):
    lengths: frozenset[int]  # of whole numbers, without the calling code
    any_lengths: frozenset[int]  # also of those that are dialled within an area only
    prefix: str  # a pattern of what may stand before a number within the country
    national_prefix: re.Pattern[str]
    is_rewritten: bool  # what is behind such a prefix is written otherwise with the calling code
    valid: re.Pattern[str] | None  # None if several regions share the calling code


@cache
def _plan(calling_code: str) -> _Plan | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(calling_code))
    if not regions:
        return None
    metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(calling_code), regions[0])
    lengths = frozenset(metadata.general_desc.possible_length)
    prefix = metadata.national_prefix_for_parsing or "(?!)"
    return _Plan(
        lengths=lengths,
        any_lengths=lengths.union(metadata.general_desc.possible_length_local_only),
        prefix=prefix,
        national_prefix=re.compile(prefix),
        is_rewritten=metadata.national_prefix_transform_rule is not None,
        valid=_valid(metadata) if len(regions) == 1 else None,
    )


def _valid(metadata: Any) -> re.Pattern[str]:
    """Return what matches the numbers that lie in a known range of any type."""
    types = [getattr(metadata, name) for name in _TYPES]
    patterns = [
        number_type.national_number_pattern
        for number_type in types
        if number_type and number_type.national_number_pattern
    ]
    general = metadata.general_desc.national_number_pattern
    return re.compile(f"(?=(?:{general})$)(?:{'|'.join(patterns) or '(?!)'})", re.ASCII)


class _Region(NamedTuple):
    calling_code: str
    digits_max: int  # of a number within the region
    dialled_abroad: re.Pattern[str]
    dialled_before: re.Pattern[str]  # what may stand before a number: for abroad, or within the country
    plan: _Plan

    def is_whole(self, digits: str) -> bool:
        """Return whether `digits` surely begin with the calling code: they are longer than any number within."""
        is_long = len(digits) > self.digits_max and digits.startswith(self.calling_code)
        return is_long and not self.dialled_abroad.match(digits)


@cache
def _region(region: str) -> _Region | None:
    """Return how numbers are dialled in a region; None if its calling code follows the rules of another region."""
    code = phonenumbers.country_code_for_region(region)
    plan = _plan(str(code)) if code else None
    if plan is None or phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code][0] != region:
        return None
    metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    abroad = metadata.international_prefix or "(?!)"
    return _Region(
        calling_code=str(code),
        digits_max=max(plan.any_lengths),
        dialled_abroad=re.compile(abroad),
        dialled_before=re.compile(f"(?:{abroad})|(?:{plan.prefix})"),
        plan=plan,
    )
