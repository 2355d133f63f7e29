"""Decodes a body into the fields that events are made of. Pure.

Two decoders fill the same fields. The quick one takes what nearly every body is: UTF-8, known fields that hold a text
or null, an event of a message. It refuses all else, and the tolerant decoder alone says what is no JSON. A property
test shows that both fill the same fields wherever the quick one fills any.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import DecodeError, Meta, Struct, defstruct
from msgspec.json import Decoder

from sync.events.event import EventType, Reason, Unreadable
from sync.events.raw import inflated
from sync.events.values import ID_BYTES_MAX

BYTE_ORDER_MARK = "\ufeff"
DEPTH_MAX = 100
DIGITS_MAX = 100

MESSAGE_ID = ("message_id", "messageId", "id")
CAMPAIGN_ID = ("campaign_id", "campaignId")
RECIPIENT = ("to", "recipient")
SENDER = ("from", "sender_id", "senderId", "sender")
CODE = ("error_code", "errorCode", "failure_code", "failureCode", "code")
REASON = ("error", "reason", "error_message", "errorMessage", "failure_reason", "failureReason")
# The fields that tell when the status of an event came about.
STATUS_TIMES: Mapping[str, tuple[str, ...]] = {
    EventType.DELIVERED: ("delivered_at", "deliveredAt"),
    EventType.FAILED: ("failed_at", "failedAt"),
    EventType.UNDELIVERABLE: ("undeliverable_at", "undeliverableAt", "failed_at", "failedAt"),
    EventType.OPT_OUT: ("opted_out_at", "optedOutAt", "optout_at", "optoutAt"),
    EventType.CAMPAIGN_SENT: ("sent_at", "sentAt"),
    EventType.CAMPAIGN_COMPLETED: ("completed_at", "completedAt"),
}
ANY_TIME = ("timestamp", "occurred_at", "occurredAt", "created_at", "createdAt")

_TEXTS = ("channel", *MESSAGE_ID, *CAMPAIGN_ID, *RECIPIENT, *SENDER, *CODE, *REASON, "errors")
_TIMES = (*dict.fromkeys(name for names in STATUS_TIMES.values() for name in names), *ANY_TIME)

# The fields of `data` under the names that the provider may give them. Of what the tolerant decoder read, each may
# hold anything.
_Text = Annotated[str, Meta(max_length=ID_BYTES_MAX // 4)]  # no character takes more than four bytes
_Text_or_none: Any = _Text | None
_Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # the tolerant decoder judges a longer number
_Time: Any = _Text | _Int | float | None
_Code: Any = _Text | _Int | None
_Error: Any = _Text | dict[str, _Code] | None  # most often a text, or its code and message
_TYPES = dict.fromkeys(_TEXTS, _Text_or_none) | dict.fromkeys(_TIMES, _Time) | dict.fromkeys(CODE, _Code)
Fields: Any = defstruct(
    "Fields",
    [(name, kind, None) for name, kind in (_TYPES | {"error": _Error}).items()],
    kw_only=True,
    gc=False,
)
_NAMES = frozenset(_TYPES)

NO_FIELDS = Fields()


class Document(Struct, gc=False):
    """What a body says: `event` and `timestamp` may be anything, `data` is None or its fields."""

    event: Any
    timestamp: Any = None
    data: Any = None


class WholeDocument(Document):
    """What the tolerant decoder read, with the whole of `data`, for events that keep it."""

    whole_data: dict[str, Any] = {}


class _QuickDocument(Document, gc=False):
    event: Literal["message.delivered", "message.failed", "message.undeliverable", "message.optout"]
    timestamp: _Time = None
    data: Fields | None = None


_BRACKET, _BACKSLASH = b"[\\"
_DEEP_BYTES_MIN = DEPTH_MAX * len('{"":}')  # the least that an object takes which holds another
_quickly_decode = Decoder(_QuickDocument).decode


def decode(body: bytes) -> Document:
    """Return what `body` says; raise Unreadable if it is no JSON object in UTF-8, plain or compressed."""
    return decode_quickly(body) or decode_tolerantly(body)


def decode_quickly(body: bytes) -> Document | None:
    """Return what `body` says if it is an ordinary one; None if only the tolerant decoder tells."""
    # An escape may hide NUL or half a surrogate pair. Without one the texts are as storable as the body is UTF-8.
    if _BACKSLASH in body or ((_BRACKET in body or len(body) >= _DEEP_BYTES_MIN) and _is_deep(body)):
        return None
    try:
        if not body.isascii():
            body.decode()  # msgspec skips what has no name here without a look at what its texts hold
        return _quickly_decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_deep(body: bytes) -> bool:
    return body.count(b"[") + body.count(b"{") > DEPTH_MAX


def decode_tolerantly(body: bytes) -> WholeDocument:
    """Return what `body` says; raise as `decode` does."""
    document = json_object(body)
    data = document.get("data")
    data = data if isinstance(data, dict) else {}
    return WholeDocument(document.get("event"), document.get("timestamp"), fields_of(data), data)


def fields_of(data: Mapping[str, Any]) -> Any:
    """Return the known fields of `data`, each of which may hold anything."""
    return Fields(**{name: value for name, value in data.items() if name in _NAMES})


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that `body` is; raise as `decode` does."""
    content = inflated(body)
    if content is None:
        raise Unreadable(Reason.NOT_JSON, "the body is compressed, and broken or too long")
    try:
        text = content.decode("utf-8").removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError:
        raise Unreadable(Reason.NOT_UTF8, "the body is not UTF-8") from None
    try:
        document = _TOLERANT.decode(text)
    except RecursionError:
        raise Unreadable(Reason.NOT_JSON, "the body nests too deep") from None
    except ValueError:
        raise Unreadable(Reason.NOT_JSON, "the body is not JSON") from None
    if text.count("[") + text.count("{") > DEPTH_MAX:
        _require_shallow(document)
    if not isinstance(document, dict):
        raise Unreadable(Reason.NOT_OBJECT, "the body is JSON, but not an object")
    return document


def _require_shallow(document: Any) -> None:
    """Refuse what nests over DEPTH_MAX. The parser's own bound depends on the stack it is called on. But a body must
    read alike everywhere, also when it is read again from the ledger."""
    level = [document]
    for _ in range(DEPTH_MAX + 1):
        inner = (node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list))
        level = [node for nodes in inner for node in nodes]
        if not level:
            return
    raise Unreadable(Reason.NOT_JSON, "the body nests too deep")


def _int(digits: str) -> int | None:
    return int(digits) if len(digits) <= DIGITS_MAX else None


def _float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _no_number(_name: str) -> None:
    """NaN and Infinity are no JSON, though Python's parser takes them."""


_TOLERANT = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=_no_number)
