"""Tries again what another transaction was in the way of: it is we who step back, never a worker."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from models.errors import is_blocked

Done = TypeVar("Done")

PAUSES_SECONDS = (0.1, 0.5, 1, 2, 4)


def patiently(transact: Callable[[], Done]) -> Done:
    """Return what `transact`, one transaction, returns; try it again a few times if a lock stops it.

    Any other error passes through, and so does the last error of a lock: then nothing of the transaction was done.
    """
    for pause in PAUSES_SECONDS:
        try:
            return transact()
        except DBAPIError as error:
            if not is_blocked(error):
                raise
        time.sleep(pause)
    return transact()
