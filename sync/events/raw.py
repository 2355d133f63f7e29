"""A raw event: a body whose signature was verified, and when it reached us. Not yet parsed.

Raw events travel through the queue as JSON. A body may be any bytes; read as Latin-1 every byte is one
character, so nothing is lost and nothing needs a second encoding.
"""

import re
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct


class RawEvent(Struct, frozen=True, kw_only=True, gc=False):
    """`body` is exactly what the provider signed; `received_at` is aware.

    `inbox_id` is the key of the inbox's row that holds the event too, and goes once it is applied. `request_id` names
    the request that brought it, for logs.
    """

    body: bytes
    received_at: datetime
    inbox_id: int | None = None
    request_id: str | None = None


# A probe of `doctor` begins with these bytes, inside the signed body. It is no delivery of the provider's traffic.
PROBE_MARK = b'{"event":"zexa-sync.probe"'
# What the provider's own test events are called, compared as all names are. Some name no event at all.
_TEST_NAMES = frozenset({b"", b"test", b"testevent", b"webhooktest", b"ping", b"webhookping", b"zexasyncprobe"})

# The most that the receiver takes; what a compressed body holds is held to the same.
BODY_BYTES_MAX = 256 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_GZIP = b"\x1f\x8b"
# What a JSON text may begin and end with: an object, an array, a text, a number, true, false or null.
_BEGINS = frozenset(b'{["-0123456789tfn')
_ENDS = frozenset(b'}]"0123456789el')
_BLANKS = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_LETTERS = bytes(range(ord("a"), ord("z") + 1)) + b"0123456789"
_LOWER_CASE = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_NO_LETTERS = bytes(byte for byte in range(256) if byte not in _LETTERS + _LETTERS.upper())
_OPT_OUT = b"messageoptout"
_FAILURES = (b"messagefailed", b"messageundeliverable")
# JSON may spell any character as an escape, and nobody does so with plain letters but to hide them.
_ESCAPED_LETTER = re.compile(rb"\\u00(?:[46][1-9a-fA-F]|[57][0-9aA])")
# Any other escape is no letter of a name. A pair of backslashes is one, and no escape begins with its second.
_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)


def letters_of(text: bytes) -> bytes:
    """Return the letters and digits of ASCII in `text`, in lower case: names are compared by these alone."""
    return text.translate(_LOWER_CASE, _NO_LETTERS)


def is_probe(body: bytes) -> bool:
    """Return whether `body` is a probe of `doctor`."""
    return body.startswith(PROBE_MARK)


def is_rehearsal(name: str) -> bool:
    """Return whether an event called `name` is a probe, or a test event of the provider's: no traffic."""
    return letters_of(name.encode("utf-8", "replace")) in _TEST_NAMES


def may_opt_out(body: bytes, *, failures_may: bool) -> bool:
    """Return False only if `body` surely does not say that somebody has opted out.

    The one look that is taken into a body before it is parsed: what may opt out is taken before all that waits. It
    finds every spelling of the event's name, in UTF-8 and UTF-16. What is compressed or no JSON text may say anything.
    `failures_may`: whether some failures opt out too (`ParseOptions.opt_out_failures`).
    """
    if not looks_like_json(body):
        return bool(body.strip(_BLANKS))
    if _names_opt_out(body, failures_may=failures_may):
        return True
    if b"\\" not in body:
        return False
    if _ESCAPED_LETTER.search(body):
        return True
    # A blank, mark or separator within the name may be an escape too, whose letters are none of the name.
    return _names_opt_out(_ESCAPE.sub(b"", body), failures_may=failures_may)


def _names_opt_out(text: bytes, *, failures_may: bool) -> bool:
    letters = letters_of(text)
    return _OPT_OUT in letters or (failures_may and any(name in letters for name in _FAILURES))


def is_compressed(body: bytes) -> bool:
    """Return whether `body` is gzip, by its first bytes: no JSON text begins with them."""
    return body.startswith(_GZIP)


def inflated(body: bytes) -> bytes | None:
    """Return what `body` holds if it is compressed, else `body`; None if it is broken, or larger than a body may be."""
    if not is_compressed(body):
        return body
    inflate = zlib.decompressobj(wbits=_GZIP_WINDOW)
    try:
        content = inflate.decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error:
        return None
    is_whole = inflate.eof and not inflate.unused_data and len(content) <= BODY_BYTES_MAX
    return content if is_whole else None


def looks_like_json(body: bytes) -> bool:
    """Return whether `body` begins and ends as a JSON text in UTF-8 does."""
    text = body.removeprefix(_BYTE_ORDER_MARK).strip(_BLANKS)
    return bool(text) and text[0] in _BEGINS and text[-1] in _ENDS


def to_json(raw_events: Iterable[RawEvent]) -> list[list[Any]]:
    """Return `[received_at, body, inbox_id, request_id]` of each, which any JSON encoder takes.

    What is None at the end is left out.
    """
    return [
        [raw.received_at.isoformat(), raw.body.decode("latin-1"), raw.inbox_id, raw.request_id]
        if raw.request_id
        else [raw.received_at.isoformat(), raw.body.decode("latin-1"), *([raw.inbox_id] if raw.inbox_id else [])]
        for raw in raw_events
    ]


def from_json(entries: Any) -> list[RawEvent]:
    """Return the raw events that `to_json` was given; raise ValueError if `entries` are none."""
    try:
        raw_events = [
            RawEvent(
                received_at=datetime.fromisoformat(entry[0]),
                body=entry[1].encode("latin-1"),
                inbox_id=entry[2] if len(entry) > 2 else None,
                request_id=entry[3] if len(entry) > 3 else None,
            )
            for entry in entries
        ]
    except (AttributeError, LookupError, TypeError, ValueError):
        raise ValueError("no raw events") from None
    if None in {raw.received_at.tzinfo for raw in raw_events}:
        raise ValueError("a raw event without a time zone")
    return raw_events
