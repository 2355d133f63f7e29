"""Merges what the provider answered about messages. The one way by which a polled fact comes into the tables.

What is delivered goes through queue and inbox, and is always signed: nothing there can say that it was polled.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.statuses import FINAL
from sync.store.apply import merge_rows
from sync.store.ledger import merge_ledger


def merge_answers(connection: Connection, answers: Sequence[Event], options: ParseOptions, now: datetime) -> int:
    """Merge polled facts in the caller's transaction; return how many messages got a final status by them.

    Locks what a worker locks, in the same order.
    """
    taken = merge_ledger(connection, answers, now)
    messages = merge_rows(connection, [*taken.new, *taken.earlier], options, now)
    finished = sum(row["status"] in FINAL for row in messages.inserted)
    for change in messages.changes:
        is_final = bool(change.new and change.new["status"] in FINAL)
        finished += is_final and not (change.old and change.old["status"] in FINAL)
    return finished
