"""Re-subscriptions: only a person ends an opt-out, and says why; no event, file or program does.

An opt-out is not removed. It ends at a moment, and the statement that ended it stays in the history for good. The end
holds for every opt-out of the address within its scope that was first received before, even if that is applied later.
A STOP that is first received afterwards opts out again, whatever time it claims.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from sync.events.addresses import Address, person_of, persons_of, read_address, sender_key
from sync.events.forget_keys import ForgetKey, is_keyed
from sync.events.opt_outs import OptOutKey, OptOutRow, OptOutSource, OptOutStatement, StatementKind
from sync.opt_outs.forgotten import forgotten_by, kept_of
from sync.store.opt_outs import add_to_history, hold_statements, read_rows, write_rows

# How long to wait if the clock of the machine that received an opt-out is ahead of this machine's clock.
AHEAD_SECONDS_MAX = 5.0

# Ids of Slack have neither blanks nor brackets, which numbers of the same digits may have.
_MAY_BE_ID = re.compile(r"[@#]?[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubscription:
    """Who ends opt-outs and why; of one channel or sender only if these are not None."""

    channel: str | None
    sender: str | None
    by: str
    reason: str

    def ends(self, row: OptOutRow) -> bool:
        """Is the row within the scope?"""
        is_of_sender = self.sender is None or sender_key(self.sender) == sender_key(row.sender)
        return self.channel in (None, row.channel) and is_of_sender


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedOptOuts:
    """Of one address: the opt-outs that were in force and are not any more, and the opt-outs that still are.

    `ahead` are opt-outs in force that should have ended, but were received later than now by this machine's clock.
    """

    address: str = field(repr=False)
    ended: Sequence[OptOutRow] = field(repr=False)
    in_force: Sequence[OptOutRow] = field(repr=False)
    ahead: Sequence[OptOutRow] = field(repr=False)


def resubscribe_patiently(
    engine: Engine,
    addresses: Sequence[str],
    resubscription: Resubscription,
    *,
    default_region: str,
    forget_keys: tuple[ForgetKey, ...] = (),
) -> list[EndedOptOuts]:
    """End opt-outs as `resubscribe` does, in a transaction of its own.

    If one of them was received at a time that is still to come by our clock, wait for that, AHEAD_SECONDS_MAX at the
    most.
    """
    deadline = time.monotonic() + AHEAD_SECONDS_MAX
    every = [
        person_address
        for address in addresses
        for person_address in persons_of(resubscription.channel, address, default_region)
    ]
    while True:
        with engine.begin() as connection:
            people = forgotten_by(connection, forget_keys)
            hold_statements(connection, alone=True)
            rows = read_rows(connection, {address.person for address in kept_of(every, people)}).values()
            now = datetime.now(UTC)
            ahead = max(
                ((row.received_at - now).total_seconds() for row in rows if resubscription.ends(row)), default=-1
            )
            left = deadline - time.monotonic()
            if ahead < 0 or ahead >= left:
                return resubscribe(
                    connection,
                    addresses,
                    resubscription,
                    clock=lambda: datetime.now(UTC),
                    default_region=default_region,
                    forget_keys=forget_keys,
                )
        time.sleep(ahead + 0.001)


def resubscribe(
    connection: Connection,
    addresses: Sequence[str],
    resubscription: Resubscription,
    *,
    clock: Callable[[], datetime],
    default_region: str,
    forget_keys: tuple[ForgetKey, ...] = (),
) -> list[EndedOptOuts]:
    """End the opt-outs of `addresses`, each in any spelling, in the caller's transaction; keep that in the history.

    Several spellings of one person have one answer.

    Without a channel or sender all scopes of an address end. With either, an opt-out for any channel or sender stays:
    it says more than was taken back. The history keeps the statement also if there is nothing to end, once for one
    person, whichever spellings are given. The time is that of `clock` once no other transaction can state anything.
    Of somebody who was forgotten the pseudonym is kept. Raises ForgetKeyMissing.
    """
    people = forgotten_by(connection, forget_keys)
    hold_statements(connection, alone=True)
    now = clock()
    named_people = _named_people(connection, addresses, resubscription.channel, default_region)
    named_people = [(text, kept_of(several, people)) for text, several in named_people]
    # Of one person the first spelling is kept; the statement holds for all of them.
    stated = {address.person: address.text for _, several in named_people for address in reversed(several)}
    before = read_rows(connection, stated)
    add_to_history(
        connection,
        [
            OptOutStatement(
                kind=StatementKind.OPTED_IN,
                channel=resubscription.channel,
                address=text,
                sender=resubscription.sender,
                occurred_at=now,
                source=OptOutSource.MANUAL,
                stated_by=resubscription.by,
                reason=people.kept_text(resubscription.reason) if people else resubscription.reason,
            )
            for text in stated.values()
        ],
        now,
    )
    write_rows(connection, {key for key, row in before.items() if resubscription.ends(row)}, now)
    after = read_rows(connection, stated)
    return [_ended_opt_outs(spelling, several, before, after, resubscription) for spelling, several in named_people]


def _named_people(
    connection: Connection, addresses: Sequence[str], channel: str | None, default_region: str
) -> list[tuple[str, list[Address]]]:
    """Return whose opt-outs are to end, with the first of `addresses` that names them.

    Without a channel an address may also be a Slack id: if it looks like a Slack id, or if that id has opted out.
    """
    people: dict[frozenset[str], tuple[str, list[Address]]] = {}
    for text in addresses:
        every = persons_of(channel, text, default_region)
        plain = read_address(channel or "", text, default_region).addresses or every
        others = [address for address in every if address not in plain]
        rows = read_rows(connection, {address.person for address in others}) if others else {}
        opted_out = {person_of(row.address) for row in rows.values()}
        ids = [other for other in others if other.person in opted_out or _MAY_BE_ID.fullmatch(other.text)]
        persons = frozenset(address.person for address in plain) or frozenset([text])
        _, several = people.setdefault(persons, (text, []))
        several += [address for address in (*plain, *ids) if address not in several]
    return list(people.values())


def _ended_opt_outs(
    text: str,
    addresses: Sequence[Address],
    before: Mapping[OptOutKey, OptOutRow],
    after: Mapping[OptOutKey, OptOutRow],
    resubscription: Resubscription,
) -> EndedOptOuts:
    persons = {address.person for address in addresses}
    were = {key: row for key, row in before.items() if person_of(row.address) in persons and row.is_in_force}
    in_force = [after[key] for key in were if after[key].is_in_force]
    return EndedOptOuts(
        address=text if not addresses or is_keyed(addresses[0].text) else addresses[0].text,
        ended=[after[key] for key in were if not after[key].is_in_force],
        in_force=in_force,
        ahead=[row for row in in_force if resubscription.ends(row)],
    )
