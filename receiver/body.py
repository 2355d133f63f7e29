"""Reads a request's body, whole or not at all, and never more of it than is allowed."""

from typing import Any, BinaryIO

import gevent

BODY_BYTES_MAX = 256 * 1024

# What a refused body may still send before the connection is closed, so that its sender reads the refusal.
DRAIN_BYTES_MAX = 1024 * 1024
DRAIN_STEP_BYTES = 64 * 1024
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
    with gevent.Timeout(BODY_SECONDS, BodyIncomplete):
        try:
            stream = environ["wsgi.input"]
            body: bytes = b"" if announced > BODY_BYTES_MAX else stream.read(BODY_BYTES_MAX + 1)
            if announced > BODY_BYTES_MAX or len(body) > BODY_BYTES_MAX:
                _drain(stream)
                raise BodyTooLarge
        except (BodyTooLarge, BodyIncomplete):
            raise
        except Exception:
            # Whatever the server makes of broken framing or a lost connection, there is no body to judge.
            raise BodyIncomplete from None
    if len(body) < announced:
        raise BodyIncomplete
    return body


def _drain(stream: BinaryIO) -> None:
    for _ in range(DRAIN_BYTES_MAX // DRAIN_STEP_BYTES):
        if not stream.read(DRAIN_STEP_BYTES):
            return
