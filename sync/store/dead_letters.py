"""Keeps what cannot be applied, with the reason, until a person replays or resolves it.

Of a letter that names a forgotten person only that it came is kept, and why: it is resolved, and holds nothing back.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from models.statements import bulk_insert
from models.tables import DEAD_LETTERS
from sync.events.event import Reason
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent, inflated, may_opt_out
from sync.events.remains import kept_digest
from sync.store.forgotten import forgotten_people

log = structlog.get_logger()


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


class KeptLetter(NamedTuple):
    """A letter under the digest that it has in the table: a keyed one if it names somebody who was forgotten."""

    letter: NewDeadLetter
    digest: str
    is_forgotten: bool


def keep_dead_letters(
    connection: Connection, letters: Iterable[NewDeadLetter], options: ParseOptions
) -> list[KeptLetter]:
    """Keep raw events that cannot be applied; a copy at most shows that one was received earlier."""
    failures_may = bool(options.opt_out_failures)
    latest_first = sorted(letters, key=lambda letter: letter.received_at, reverse=True)
    if not latest_first:
        return []
    kept_letters = _with_digests(connection, latest_first, options)
    letters_by_digest = {letter.digest: letter for letter in kept_letters}
    insert, rows = bulk_insert(
        connection,
        DEAD_LETTERS,
        [
            {
                "digest": digest,
                "body": b"" if is_forgotten else letter.body,
                "reason": letter.reason,
                "error": letter.error,
                "received_at": letter.received_at,
                "attempts": 1,
                "resolved_at": letter.received_at if is_forgotten else None,
                "may_opt_out": _may_opt_out(letter, failures_may=failures_may),
            }
            for digest, (letter, _, is_forgotten) in sorted(letters_by_digest.items())
        ],
    )
    is_earlier = insert.excluded.received_at < DEAD_LETTERS.c.received_at
    earlier = insert.on_conflict_do_update(
        index_elements=[DEAD_LETTERS.c.digest], set_={"received_at": insert.excluded.received_at}, where=is_earlier
    )
    connection.execute(earlier, rows)
    return kept_letters


def _with_digests(connection: Connection, letters: Iterable[NewDeadLetter], options: ParseOptions) -> list[KeptLetter]:
    people = forgotten_people(connection, options)
    kept_letters = []
    for letter in letters:
        digest = hashlib.sha256(letter.body).hexdigest()
        named = people.named_in(letter.body) if people else []
        kept_letters.append(KeptLetter(letter, kept_digest(digest, named[0]) if named else digest, bool(named)))
    return kept_letters


def log_dead_letters(letters: Iterable[KeptLetter]) -> None:
    """Say of each letter that it was kept, and why: once that is committed."""
    for letter, digest, _ in letters:
        log.warning(
            "dead_letter.kept",
            reason=letter.reason,
            error=letter.error,
            digest=digest,
            request_id=letter.raw.request_id,
        )


def _may_opt_out(letter: NewDeadLetter, *, failures_may: bool) -> bool:
    """Return whether a letter may say that somebody opted out: what is no JSON text may, unless it is empty."""
    content = inflated(letter.body)
    if content is None:
        return True
    if letter.reason in (Reason.NOT_UTF8, Reason.NOT_JSON):
        return bool(content.strip())
    return may_opt_out(content, failures_may=failures_may)
