"""Reads the body of a look-up. Pure: bytes in, a question out, or a problem that quotes nothing of it."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from receiver.api.problems import Problem

ADDRESSES_MAX = 1000
CHANNEL_CHARACTERS_MAX = 64
SENDER_CHARACTERS_MAX = 255
STALENESS_SECONDS_DEFAULT = 60
STALENESS_SECONDS_MAX = 86_400

# As JSON Schema and Python read them alike. A database could not be asked for a NUL.
CHANNEL_PATTERN = "^[ -~]*[!-~][ -~]*$"
SENDER_PATTERN = "^[^\\u0000]+$"
_CHANNEL = re.compile(r"[ -~]*[!-~][ -~]*")
_SENDER = re.compile(r"[^\0]+", re.DOTALL)

MEMBERS = frozenset({"addresses", "channel", "sender", "max_staleness_seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which addresses are asked about, on which channel and from which sender (None: on any, from any)."""

    addresses: list[str]
    channel: str | None
    sender: str | None
    staleness_seconds: float


def read_question(body: bytes) -> Question:
    """Return what `body` asks; raise Problem: 400 if it is no JSON object, 422 if that is no question."""
    document = _document(body)
    if not document.keys() <= MEMBERS:
        raise _unprocessable(f"the body has a member other than {', '.join(sorted(MEMBERS))}")
    return Question(
        addresses=_addresses(document.get("addresses")),
        channel=_text(document, "channel", _CHANNEL, CHANNEL_CHARACTERS_MAX),
        sender=_text(document, "sender", _SENDER, SENDER_CHARACTERS_MAX),
        staleness_seconds=_staleness(document.get("max_staleness_seconds")),
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode(), object_pairs_hook=_members, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is not JSON in UTF-8 that names each member once") from None
    if not isinstance(document, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members of one name, one would be asked about and the other passed over in silence."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not a number of JSON")  # NaN and Infinity, which Python would take


def _addresses(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _unprocessable("addresses is not an array of strings")
    if len(value) > ADDRESSES_MAX:
        raise _unprocessable(f"addresses holds more than {ADDRESSES_MAX} strings")
    for index, address in enumerate(value):
        if not isinstance(address, str):
            raise _unprocessable(f"addresses/{index} is not a string")
    return value


def _text(document: dict[str, Any], name: str, form: re.Pattern[str], characters_max: int) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > characters_max or not form.fullmatch(value) or not _is_text(value):
        raise _unprocessable(f"{name} is neither null nor a text of 1 to {characters_max} characters that can be one")
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half a pair of surrogates, which no database stores
        return False
    return True


def _staleness(value: Any) -> float:
    if value is None:
        return STALENESS_SECONDS_DEFAULT
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= STALENESS_SECONDS_MAX:
        raise _unprocessable(
            f"max_staleness_seconds is neither null nor a number of seconds from 1 to {STALENESS_SECONDS_MAX}"
        )
    return float(value)


def _unprocessable(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
