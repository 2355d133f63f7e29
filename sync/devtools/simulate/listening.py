"""Is anything there to send to? Asked before the first delivery, as retries would take the provider's 36 minutes."""

import socket
import time

from yarl import URL

CONNECT_SECONDS = 5
POLL_SECONDS = 0.2


def listens(url: URL) -> bool:
    """Return whether something takes a connection at the host and port of `url`."""
    try:
        with socket.create_connection((url.host or "", url.port or 0), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False


def wait_until_listening(url: URL, *, seconds: float) -> bool:
    """Wait until something listens at `url`, at most `seconds`, and return whether it does."""
    deadline = time.monotonic() + seconds
    while not listens(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
