"""Opt-outs by a person's word. Like an event's they are only ever added, and never weaken what stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from sqlalchemy import Connection

from sync.events.addresses import channel_name, person_of, sender_text
from sync.events.forget_keys import ForgetKey
from sync.events.opt_outs import OptOutRow, OptOutSource, OptOutStatement, StoredStatement, ended_at
from sync.opt_outs.forgotten import forgotten_by
from sync.store.opt_outs import hold_statements, read_rows, read_statements, state


class WordEffect(StrEnum):
    """What a statement did to a row of `opt_outs`."""

    NEW = "new"  # there was no opt-out of this channel, address and sender
    LATER = "later"  # there was an earlier one, in force or ended
    UNCHANGED = "unchanged"  # one at least as late stands
    ENDED = "ended"  # a re-subscription is later than the time stated, so the person may be messaged


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutWord:
    """Who says why, for which scope ('' is any) and as of when (None: now) somebody has opted out."""

    channel: str
    sender: str
    at: datetime | None
    by: str
    reason: str | None


def scope_of(channel: str, sender: str, default_region: str) -> tuple[str, str]:
    """Return a channel and a sender as opt-outs keep them: '' for any, also if a name is none of a channel."""
    return channel_name(channel), sender_text(sender, default_region)


def state_opt_outs(
    connection: Connection,
    addresses: Sequence[tuple[str, ...]],
    statement: OptOutWord,
    now: datetime,
    *,
    forget_keys: tuple[ForgetKey, ...] = (),
) -> list[WordEffect]:
    """Opt people out, in the caller's transaction; return what that did, in one order with `addresses`.

    Each of `addresses` is what one text may be: one address as the tables keep it, or two. A time later than `now` is
    `now`. Each statement is kept in the history, also one that changes nothing: a person said so. Of somebody who was
    forgotten the pseudonym is kept. Raises ForgetKeyMissing.
    """
    people, reason = forgotten_by(connection, forget_keys), statement.reason
    if people:
        addresses = [tuple(map(people.kept_address, several)) for several in addresses]
        reason = reason and people.kept_text(reason)
    hold_statements(connection, alone=False)
    persons = {person_of(address) for several in addresses for address in several}
    before, past = read_rows(connection, persons), read_statements(connection, persons)
    stated = [_statements(several, statement, reason, past, now) for several in addresses]
    unique = {opt_out.key: opt_out for several in stated for opt_out in several}
    state(connection, unique.values(), now)
    after = read_rows(connection, persons)
    return [
        outcome_of_all(outcome_of(before.get(opt_out.key), after[opt_out.key]) for opt_out in several)
        for several in stated
    ]


def _statements(
    addresses: Iterable[str],
    word: OptOutWord,
    reason: str | None,
    past: Sequence[StoredStatement],
    now: datetime,
) -> list[OptOutStatement]:
    """Return what `word` states of one text, which may be any of `addresses`: one opt-out, under one id."""
    word_id = uuid4().hex
    statements = []
    for address in addresses:
        key = (word.channel, address, word.sender)
        statements.append(
            OptOutStatement(
                channel=word.channel,
                address=address,
                sender=word.sender,
                occurred_at=min(word.at, now) if word.at else time_in_force(ended_at(key, past), now),
                source=OptOutSource.MANUAL,
                stated_by=word.by,
                reason=reason,
                opt_out_id=word_id,
            )
        )
    return statements


def time_in_force(ended: datetime | None, now: datetime) -> datetime:
    """Return the time of an opt-out that is said now: in force, although another machine's clock is ahead."""
    return max(now, ended) if ended else now


def outcome_of(before: OptOutRow | None, after: OptOutRow) -> WordEffect:
    """Return what became of a row by a statement."""
    if not after.is_in_force:
        return WordEffect.ENDED
    if before is None:
        return WordEffect.NEW
    return (
        WordEffect.LATER if after.opted_out_at > before.opted_out_at or not before.is_in_force else WordEffect.UNCHANGED
    )


def outcome_of_all(outcomes: Iterable[WordEffect]) -> WordEffect:
    """Return the outcome that a person has to know first, of the outcomes of each address that one text may be."""
    return min(outcomes, key=_FIRST_TOLD.index)


_FIRST_TOLD = (WordEffect.ENDED, WordEffect.NEW, WordEffect.LATER, WordEffect.UNCHANGED)
