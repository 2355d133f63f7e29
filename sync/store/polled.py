"""Merges what the provider answered about messages. The one way by which a polled fact comes into the tables.

What is delivered goes through queue and inbox, and is always signed: nothing there can say that it was polled.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.store.apply import merge_all


def merge_answers(connection: Connection, answers: Sequence[Event], options: ParseOptions, now: datetime) -> int:
    """Merge polled facts in the caller's transaction; return how many messages got a final status by them.

    It goes the way of a worker, and locks what a worker locks in the same order.
    """
    return merge_all(connection, answers, options, now).messages.finished
