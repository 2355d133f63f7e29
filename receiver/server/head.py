"""What a request's head must be like beyond what the parser sees to. Pure."""

from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

# What a request line, one field, and a whole head may take, as with gunicorn's own servers; and how many fields.
URL_BYTES_MAX = 4094
FIELD_BYTES_MAX = 8190
HEAD_BYTES_MAX = 32 * 1024
FIELDS_MAX = 100

# Fields that would change how a message is read, or whose it is, and so may not come after it (RFC 9110, 6.5.1).
FORBIDDEN_TRAILERS = frozenset(
    {b"authorization", b"content-encoding", b"content-length", b"content-range", b"content-type", b"host"}
    | {b"te", b"trailer", b"transfer-encoding"}
)

Field = tuple[bytes, bytes]


class RequestTarget(NamedTuple):
    """Where a request goes: its path as text and as it was sent, and what stands behind the question mark."""

    path: str
    raw_path: bytes
    query: bytes


def read_target(url: bytes) -> RequestTarget | None:
    """Return the target of a request line, None if it is none. The parser lets only ASCII through."""
    if not url.startswith(b"/"):
        url = _without_origin(url)
        if not url:
            return None
    raw_path, _, query = url.partition(b"#")[0].partition(b"?")
    text = raw_path.decode("ascii")
    return RequestTarget(unquote(text) if "%" in text else text, raw_path, query)


def _without_origin(url: bytes) -> bytes:
    """Return what stands behind `http://host` of `url`; of a target in another form (`*`, `host:port`) all of it."""
    if b"://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return b""
    return (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")


def refusal(version: str, fields: list[Field]) -> HTTPStatus | None:
    """Return the status by which a request with this head is refused, None if it is HTTP.

    The names of `fields` are in lower case.
    """
    if version not in ("1.1", "1.0"):
        return HTTPStatus.BAD_REQUEST
    hosts = 0
    for name, text in fields:
        if len(name) + len(text) > FIELD_BYTES_MAX:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            # Any other coding leaves open where the body ends, or what was signed.
            if text.lower() != b"chunked" or version == "1.0":
                return HTTPStatus.BAD_REQUEST
        elif name == b"expect" and text.lower() != b"100-continue":
            return HTTPStatus.EXPECTATION_FAILED
    return HTTPStatus.BAD_REQUEST if hosts > 1 else None
