"""One process at a time registers, on however many machines. The lock ends with the process that holds it."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import URL, text

from models.database import open_database

WAIT_SECONDS = 180.0  # more than the provider may take, which may ask to wait
PAUSE_SECONDS = 0.1

# Held until the transaction ends, also behind a pooler. Of the schema, for another installation may be in another one.
_TRY = "SELECT pg_try_advisory_xact_lock(hashtext('zexa-sync webhook_registrations'), hashtext(current_schema()))"


class Busy(Exception):  # noqa: N818 - a state
    """Another process registers, and did not come to an end in time."""


@contextmanager
def registering(url: URL, *, seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of the database of `url` until the block ends. Raises Busy after `seconds`."""
    with _locked_file(url, seconds) if url.get_backend_name() == "sqlite" else _locked_database(url, seconds):
        yield


@contextmanager
def _locked_database(url: URL, seconds: float) -> Iterator[None]:
    engine = open_database(url, pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            _wait(lambda: bool(connection.scalar(text(_TRY))), seconds)
            yield
    finally:
        engine.dispose()


@contextmanager
def _locked_file(url: URL, seconds: float) -> Iterator[None]:
    """A transaction of SQLite's would keep workers from writing for as long as the provider takes to answer."""
    path = f"{os.path.realpath(url.database or '')}-webhooks.lock"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(lambda: _lock(file), seconds)
        yield
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(is_locked: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_locked():
        if time.monotonic() > deadline:
            raise Busy
        time.sleep(PAUSE_SECONDS)
