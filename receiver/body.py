"""Reads a request's body, whole or not at all, and never more of it than is allowed."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import gevent

from sync.raw_events import BODY_BYTES_MAX

# What a refused body may still send before the connection is closed, so that its sender reads the refusal.
DRAIN_BYTES_MAX = 1024 * 1024
DRAIN_SECONDS = 1
# Any pause above zero makes gevent look at its other connections; of zero-length ones it takes 50 in a row.
PAUSE_SECONDS = 0.001
STEP_BYTES = 16 * 1024
# The provider gives up after 10 s; whoever sends slower than that is not the provider.
BODY_SECONDS = 10


class BodyTooLarge(Exception):  # noqa: N818 - it says what the body is
    """The body is longer than BODY_BYTES_MAX."""


class BodyIncomplete(Exception):  # noqa: N818 - it says what the body is
    """The body did not arrive whole: its sender went away, dawdled, or broke its framing."""


def read_body(environ: dict[str, Any]) -> bytes:
    """Return the body of the WSGI request `environ`; raise BodyTooLarge or BodyIncomplete.

    The size is decided without reading on where Content-Length tells it, else by reading one byte more than
    is allowed, which also holds for chunked bodies.
    """
    announced = int(environ.get("CONTENT_LENGTH") or 0)
    stream = environ["wsgi.input"]
    body = b"" if announced > BODY_BYTES_MAX else _read(stream)
    if max(announced, len(body)) > BODY_BYTES_MAX:
        _drain(stream)
        raise BodyTooLarge
    if len(body) < announced:
        raise BodyIncomplete
    return body


def _read(stream: BinaryIO) -> bytes:
    try:
        with gevent.Timeout(BODY_SECONDS, BodyIncomplete):
            return b"".join(_steps(stream, BODY_BYTES_MAX + 1))
    except Exception:
        # Whatever the server makes of broken framing or a lost connection, there is no body to judge.
        raise BodyIncomplete from None


def _drain(stream: BinaryIO) -> None:
    with suppress(Exception), gevent.Timeout(DRAIN_SECONDS, False):
        for _ in _steps(stream, DRAIN_BYTES_MAX):
            pass


def _steps(stream: BinaryIO, most: int) -> Iterator[bytes]:
    """Read at most `most` bytes; give way to other connections between steps, however fast they arrive."""
    while most > 0 and (step := stream.read(min(most, STEP_BYTES))):
        yield step
        most -= len(step)
        if len(step) == STEP_BYTES:
            gevent.sleep(PAUSE_SECONDS)
