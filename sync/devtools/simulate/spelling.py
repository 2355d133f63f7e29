"""How the provider writes addresses, times and failures, odd forms included. Pure.

No address here is a real person's on purpose. E-mail addresses are of a reserved domain, and numbers are drawn from a
fixed range. Nothing of this package sends to them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

# Writes a moment, given in UTC.
TimeFormat = Callable[[datetime], str | float]

PEOPLE = 200_000

_LUANDA = timezone(timedelta(hours=1))

_NAMES = ("ana", "joao", "isabel", "paulo", "teresa", "nelson", "lurdes", "manuel", "graça", "domingos")
_SLACK_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# "Invalid number" is a reason under `failed` and under `undeliverable`, so both draw from the same list.
_FAILURES = (
    ("invalid_number", "The number is not valid"),
    ("unreachable", "The handset could not be reached"),
    ("carrier_rejected", "Rejected by the carrier"),
    ("account_deactivated", "The recipient's account is deactivated"),
    ("30007", "Message filtered"),
)


def spell_channel(random: Random, channel: str) -> str:
    """Write a channel's name, now and then "SMS"."""
    return "SMS" if channel == "sms" and random.random() < 0.05 else channel


def spell_address(random: Random, channel: str) -> str:
    """Draw one of PEOPLE and write the address on `channel`: numbers sometimes lack their plus."""
    person = random.randrange(PEOPLE)
    if channel == "email":
        return f"{_NAMES[person % len(_NAMES)]}.{person}@example.com"
    if channel == "slack":
        return "U0" + "".join(_SLACK_DIGITS[person // 36**place % 36] for place in range(6))
    # An odd step that shares no factor with the range spreads people over Angola's mobile numbers.
    number = f"244{910_000_000 + person * 48_271 % 89_999_999}"
    return number if random.random() < 0.1 else f"+{number}"


def time_format(random: Random) -> TimeFormat:
    """Draw how one event writes its times; without an offset UTC is meant."""
    return random.choices(list(_TIME_FORMATS), list(_TIME_FORMATS.values()))[0]


def _in_seconds(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _in_milliseconds(time: datetime) -> str:
    return f"{_bare(time, 'milliseconds')}Z"


def _in_nanoseconds(time: datetime) -> str:
    return f"{_bare(time, 'microseconds')}000Z"


def _in_luanda(time: datetime) -> str:
    return time.astimezone(_LUANDA).isoformat(timespec="seconds")


def _without_offset(time: datetime) -> str:
    return _bare(time, "seconds")


def _as_epoch(time: datetime) -> int:
    return int(time.timestamp())


def _as_epoch_fraction(time: datetime) -> float:
    return round(time.timestamp(), 3)


def _bare(time: datetime, precision: str) -> str:
    return time.replace(tzinfo=None).isoformat(timespec=precision)


_TIME_FORMATS: Mapping[TimeFormat, int] = {
    _in_seconds: 78,
    _in_milliseconds: 10,
    _in_nanoseconds: 2,
    _in_luanda: 4,
    _without_offset: 2,
    _as_epoch: 3,
    _as_epoch_fraction: 1,
}


def spell_failure(random: Random) -> dict[str, Any]:
    """Draw a failure and the fields that describe it."""
    code, text = random.choice(_FAILURES)
    return random.choice(
        (
            {"error_code": code, "error": text},
            {"error": {"code": code, "message": text}},
            {"code": int(code) if code.isdigit() else code, "reason": text},
            {"error_code": code, "error_message": text},
            {"error": text},
        )
    )
