"""Keeps what cannot be applied, with the reason, until a person replays or resolves it."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from models.statements import bulk_insert
from models.tables import DEAD_LETTERS
from sync.events.event import Reason
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent, inflated, may_opt_out


class NewDeadLetter(NamedTuple):
    """A raw event that cannot be applied; `error` quotes nothing of it."""

    raw: RawEvent
    reason: Reason
    error: str

    @property
    def body(self) -> bytes:
        return self.raw.body

    @property
    def received_at(self) -> datetime:
        return self.raw.received_at


def keep_dead_letters(connection: Connection, letters: Iterable[NewDeadLetter], options: ParseOptions) -> None:
    """Keep raw events that cannot be applied; a copy at most shows that one was received earlier."""
    failures_may = bool(options.opt_out_failures)
    latest_first = sorted(letters, key=lambda letter: letter.received_at, reverse=True)
    letters_by_digest = {hashlib.sha256(letter.body).hexdigest(): letter for letter in latest_first}
    if not letters_by_digest:
        return
    insert, rows = bulk_insert(
        connection,
        DEAD_LETTERS,
        [
            {
                "digest": digest,
                "body": letter.body,
                "reason": letter.reason,
                "error": letter.error,
                "received_at": letter.received_at,
                "attempts": 1,
                "may_opt_out": _may_opt_out(letter, failures_may=failures_may),
            }
            for digest, letter in sorted(letters_by_digest.items())
        ],
    )
    is_earlier = insert.excluded.received_at < DEAD_LETTERS.c.received_at
    earlier = insert.on_conflict_do_update(
        index_elements=[DEAD_LETTERS.c.digest], set_={"received_at": insert.excluded.received_at}, where=is_earlier
    )
    connection.execute(earlier, rows)


def _may_opt_out(letter: NewDeadLetter, *, failures_may: bool) -> bool:
    """Return whether a letter may say that somebody opted out: what is no JSON text may, unless it is empty."""
    content = inflated(letter.body)
    if content is None:
        return True
    if letter.reason in (Reason.NOT_UTF8, Reason.NOT_JSON):
        return bool(content.strip())
    return may_opt_out(content, failures_may=failures_may)
