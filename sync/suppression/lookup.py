"""The look-up: for each address, may it be messaged? Fails closed: only `allowed` allows.

An opt-out that is found holds however stale the tables are, for staleness can only hide opt-outs. So an address
without one is `allowed` only if the answer is fresh enough.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Engine

from sync.events.addresses import (
    AddressProblem,
    AddressReading,
    channel_name,
    is_placeholder,
    is_spelled_alike,
    read_on_any,
    sender_key,
    sender_text,
)
from sync.events.forget_keys import ForgetKey
from sync.queue.connection import OpenQueue, QueueUnavailable
from sync.queue.waiting import read_waiting
from sync.suppression.forgotten import PeopleQuery
from sync.suppression.freshness import Freshness, freshness_of
from sync.suppression.statement import FoundOptOut, NotAnswered

MAX_STALENESS = timedelta(minutes=1)


class LookupStatus(StrEnum):
    """What a look-up answers of one address."""

    SUPPRESSED = "suppressed"  # an opt-out is in force
    ALLOWED = "allowed"  # none is, as of `as_of`
    INVALID = "invalid"  # it is no address of that channel, or of any
    UNKNOWN = "unknown"  # a store did not answer, or the answer would be too stale


class Match(NamedTuple):
    """The opt-out that holds: of several the earliest. `channel` or `sender` is '' if it holds for any."""

    channel: str
    sender: str
    since: datetime
    source: str
    message_id: str | None


class Answer(NamedTuple):
    """What is known of one address: `input` as given, `address` normalised (None if `input` is no address).

    `as_of` is the time up to which every acknowledged opt-out is reflected, None if that is not known. `held_by`
    says what keeps `as_of` in the past, as `Freshness` does. `problem` says why an address is invalid.
    """

    input: str
    status: LookupStatus
    address: str | None
    match: Match | None
    as_of: datetime | None
    held_by: str | None = None
    problem: AddressProblem | None = None

    def is_suppressed(self) -> bool:
        """Return True unless the address is known to be allowed."""
        return self.status is not LookupStatus.ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is known of `inputs`, in one order with them.

    Nearly all are of one kind: numbers of one spelling, as the tables have it, and without an opt-out. So only of the
    `others` there is an answer of their own, and `absent` is the status of all the rest.
    """

    inputs: Sequence[Any]  # an item that is no text is no address
    absent: LookupStatus
    others: Mapping[str, Answer]
    freshness: Freshness

    def __iter__(self) -> Iterator[Answer]:
        as_of, held_by = self.freshness.as_of, self.freshness.held_by
        for text in self.inputs:
            if isinstance(text, str):
                yield self.others.get(text) or Answer(text, self.absent, text, None, as_of, held_by)
            else:
                yield Answer(text, LookupStatus.INVALID, None, None, as_of, held_by, AddressProblem.UNSTORABLE)


class OptOutScope(NamedTuple):
    """Which opt-outs count: those that name this channel and sender, or none. None stands for any."""

    channel: str | None
    sender_key: str | None

    def holds(self, opt_out: FoundOptOut) -> bool:
        return (self.channel is None or opt_out.channel in ("", self.channel)) and (
            self.sender_key is None or not opt_out.sender or sender_key(opt_out.sender) == self.sender_key
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The opt-outs that were found, and how fresh that is; `opt_outs` is None if the database did not answer.

    If it `lacks_key`, those of people who were forgotten with another key cannot be found.
    """

    opt_outs: list[FoundOptOut] | None
    freshness: Freshness
    lacks_key: bool = False


class Lookup:
    """Looks addresses up in one database, beside the queue and the inbox that feed it.

    Its engine may be read-only, and `forget_keys` are those of ZEXA_FORGET_KEY. Safe for threads.
    """

    def __init__(
        self, engine: Engine, queue: OpenQueue, *, default_region: str, forget_keys: Sequence[ForgetKey] = ()
    ) -> None:
        self._database = PeopleQuery(engine, forget_keys)
        self._queue = queue
        self._default_region = default_region

    def check(
        self,
        addresses: Iterable[str],
        channel: str | None = None,
        sender: str | None = None,
        max_staleness: timedelta | float = MAX_STALENESS,
    ) -> list[Answer]:
        """Return an answer for each of `addresses`, in their order: one query, however many.

        The strict reading is the default: an opt-out on any channel and from any sender counts. With `channel` or
        `sender` only those count that name it, or name none. `unknown` replaces `allowed` if the tables are staler than
        `max_staleness` (or seconds), a store does not answer, or its clock is off by more than that. An item that is no
        text is `invalid`. Raises nothing, whatever `addresses` holds and whatever happens to a store.
        """
        return list(self.answers(addresses, channel, sender, max_staleness))

    def answers(
        self, addresses: Iterable[str], channel: str | None, sender: str | None, max_staleness: timedelta | float
    ) -> Answers:
        """Return what `check` returns, before it is written out for each address."""
        scope, items = self._scope(channel, sender), list[Any](addresses)
        texts = [address for address in items if isinstance(address, str)]
        readings: dict[str, AddressReading] = {}
        are_numbers_addresses = scope.channel not in ("email", "slack")
        for address in texts:
            if not (are_numbers_addresses and is_spelled_alike(address)) and address not in readings:
                readings[address] = read_on_any(scope.channel, address, self._default_region)
        persons = set(texts).difference(readings)
        persons.update(address.person for question in readings.values() for address in question.addresses)
        look = self.look(persons)
        limit = _limit(max_staleness)
        freshness = Freshness(as_of=None, held_by="forget_key") if look.lacks_key else look.freshness.judged(limit)
        is_fresh = look.opt_outs is not None and freshness.is_within(limit, datetime.now(UTC))
        absent = LookupStatus.ALLOWED if is_fresh else LookupStatus.UNKNOWN
        matches = _strongest(opt_out for opt_out in look.opt_outs or () if scope.holds(opt_out))
        others = {
            address: _answer(address, question, matches, freshness, absent) for address, question in readings.items()
        }
        if matches:
            as_of, held_by = freshness.as_of, freshness.held_by
            for address in texts:
                if address not in others and (match := matches.get(address)):
                    others[address] = Answer(address, LookupStatus.SUPPRESSED, address, match, as_of, held_by)
        return Answers(inputs=items, absent=absent, others=others, freshness=freshness)

    def _scope(self, channel: str | None, sender: str | None) -> OptOutScope:
        """Return the scope asked for. A name that is none of the provider's channels, or no sender, narrows nothing."""
        is_named = isinstance(sender, str) and not is_placeholder(sender)
        key = sender_key(sender_text(sender or "", self._default_region)) if is_named else ""
        return OptOutScope(channel_name(channel) or None if isinstance(channel, str) else None, key or None)

    def is_suppressed(
        self,
        address: str,
        channel: str | None = None,
        sender: str | None = None,
        max_staleness: timedelta | float = MAX_STALENESS,
    ) -> bool:
        """Return True unless `address` is known to be allowed."""
        (answer,) = self.check([address], channel, sender, max_staleness)
        return answer.is_suppressed()

    def freshness(self) -> Freshness:
        """Return how fresh a look-up would be now."""
        return self.look(set()).freshness

    def look(self, persons: set[str]) -> Look:
        """Return what the stores say of `persons`, in any scope; of a store that is away, that."""
        begun = datetime.now(UTC)
        try:
            queued = read_waiting(self._queue)
        except (QueueUnavailable, ValueError):  # ValueError: a name that no name server would be asked for
            queued = None
        try:
            result, lacks_key = self._database.ask(persons, queued.oldest if queued else None)
        except NotAnswered:
            return Look(opt_outs=None, freshness=Freshness(as_of=None, held_by="database"))
        if queued is None:
            return Look(opt_outs=result.opt_outs, freshness=Freshness(as_of=None, held_by="redis"))
        freshness = freshness_of(begun, queued, result.waiting, result.clock_offset_seconds)
        return Look(opt_outs=result.opt_outs, freshness=freshness, lacks_key=lacks_key)


def _limit(staleness: timedelta | float) -> timedelta:
    """Return how old an answer may be; with what is no number it may not be of any age."""
    if isinstance(staleness, timedelta):
        return staleness
    try:
        return timedelta(seconds=staleness)
    except OverflowError:
        return timedelta.max if staleness > 0 else timedelta.min
    except ValueError:  # nan
        return timedelta.min


def _answer(
    text: str, reading: AddressReading, matches: Mapping[str, Match], freshness: Freshness, absent: LookupStatus
) -> Answer:
    """Return the answer to `text`; `absent` is the status of an address without an opt-out."""
    as_of, held_by = freshness.as_of, freshness.held_by
    for address in reading.addresses:
        if match := matches.get(address.person):
            return Answer(text, LookupStatus.SUPPRESSED, address.text, match, as_of, held_by)
    if reading.problem is not None:
        return Answer(text, LookupStatus.INVALID, None, None, as_of, held_by, reading.problem)
    return Answer(text, absent, reading.addresses[0].text, None, as_of, held_by)


def _strongest(opt_outs: Iterable[FoundOptOut]) -> dict[str, Match]:
    """Return of each person the opt-out that holds."""
    # Sorted backwards, so that of one person the earliest comes last, and stays.
    ordered = sorted(
        opt_outs, key=lambda opt_out: (opt_out.opted_out_at, opt_out.channel, opt_out.sender), reverse=True
    )
    return {
        opt_out.person: Match(opt_out.channel, opt_out.sender, opt_out.opted_out_at, opt_out.source, opt_out.message_id)
        for opt_out in ordered
    }
