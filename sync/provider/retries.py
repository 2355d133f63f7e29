"""Which requests are repeated, and after which pause: urllib3's Retry with the rules of this API.

What is only asked for is repeated. A POST is repeated only if nothing can have been made by it: there was no
connection, or the answer was 429.
"""

from types import TracebackType
from typing import Any, Self

from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, SSLError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

REPEATS = 4
PAUSE_SECONDS = 0.5  # the first one; each is twice the one before
# A command that is asked to wait for longer says so, and may be run again.
WAIT_SECONDS_MAX = 30.0


def repeats() -> Retry:
    """Return how a request is repeated: at most REPEATS times."""
    return ApiRetry(
        total=REPEATS,
        redirect=False,
        allowed_methods=None,
        backoff_factor=PAUSE_SECONDS,
        backoff_jitter=PAUSE_SECONDS,
        raise_on_status=False,
    )


def never() -> Retry:
    """Return that a request is made once."""
    return ApiRetry(total=0, redirect=False, allowed_methods=None, raise_on_status=False)


class ApiRetry(Retry):
    """Decides by method and by what happened. An answer that still says no at the end is returned, not raised."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: ARG002
        is_temporary = status_code == 429 or (method == "GET" and status_code >= 500)
        return bool(self.total) and is_temporary

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if error is not None and not _may_repeat(method, error):
            raise error.with_traceback(_stacktrace)
        if response is not None and (self.get_retry_after(response) or 0) > WAIT_SECONDS_MAX:
            raise MaxRetryError(_pool, url or "")
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        return retry_after_seconds(response)

    def get_backoff_time(self) -> float:
        """Pause before the first repetition too, which urllib3 makes at once."""
        return super().get_backoff_time() or self.backoff_factor


def _may_repeat(method: str | None, error: Exception) -> bool:
    if isinstance(error, SSLError):
        return False
    return method == "GET" or isinstance(error, ConnectTimeoutError | NewConnectionError)


def retry_after_seconds(response: BaseHTTPResponse) -> float | None:
    """Return how long the answer asks to wait, None if it does not say so in seconds."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
