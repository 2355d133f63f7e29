"""Compares rows with those that the ledger's facts make, each slice as it stands at one moment. Writes nothing."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Column, Connection, Engine, Table, select

from sync.events import Event
from sync.merge import OptOutRow, OptOutSource, campaign_row, message_row, opt_out_rows
from sync.reading import Reading
from sync.rebuilding.ledger import Known, Range, hold_one_moment, next_range, read_ledger
from sync.rebuilding.patience import patiently
from sync.store import CAMPAIGNS, LEDGER, MESSAGES, OPT_OUTS, Hints, _columns, _hints, _slices

Row = Mapping[str, Any]
Rows = Mapping[str, Row]
OptOutRows = dict[str, list[Row]]


class Kind(StrEnum):
    """How a row drifts from the ledger."""

    CHANGED = "changed"  # it says something else than its facts
    MISSING = "missing"  # its facts make a row, and there is none
    SURPLUS = "surplus"  # no fact makes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One row that is not what the ledger makes it: as it is `stored` and as it is `expected`, None for no row."""

    table: str
    key: Row = field(repr=False)
    stored: Row | None = field(repr=False)
    expected: Row | None = field(repr=False)

    @property
    def kind(self) -> Kind:
        if self.stored is None:
            return Kind.MISSING
        return Kind.SURPLUS if self.expected is None else Kind.CHANGED

    @property
    def columns(self) -> dict[str, tuple[Any, Any]]:
        """The columns that differ, stored and expected; those of a row that is not there are None."""
        stored, expected = self.stored or {}, self.expected or {}
        pairs = {name: (stored.get(name), expected.get(name)) for name in {**stored, **expected}}
        return {name: pair for name, pair in pairs.items() if name not in self.key and pair[0] != pair[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetClaim:
    """What an opt-out of the ledger claims and `opt_outs` does not say."""

    subject: str
    row: OptOutRow = field(repr=False)
    is_missing: bool  # there is no row of this key; else it is weaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What comparing one range of subjects found."""

    facts: int
    unreadable: int  # of `facts`
    right: Mapping[str, int]  # rows by table; those of `opt_outs` belong to no range
    drifts: list[Drift]  # of `message_status` and `campaign_status`
    unmet: list[UnmetClaim]
    repairing: list[Event] = field(repr=False)  # all facts of the subjects whose rows or claims they would repair


def compare(engine: Engine, *, reading: Reading, rows_per_slice: int) -> Iterator[Slice]:
    """Yield what is found of the whole ledger and both status tables, slice by slice.

    Each slice is read in one short transaction of its own, which has ended when the slice is yielded. `engine`
    may be read-only, and then nobody is kept from writing.
    """
    after: str | None = None
    while True:
        found, end = patiently(partial(_compare_next, engine, after, reading, rows_per_slice))
        yield found
        if end is None:
            return
        after = end


def _compare_next(engine: Engine, after: str | None, reading: Reading, rows: int) -> tuple[Slice, str | None]:
    with engine.begin() as connection:
        hold_one_moment(connection)
        subjects = next_range(connection, after, rows)
        known = read_ledger(connection, subjects.holds(LEDGER.c.subject_id), reading)
        messages = _stored(connection, MESSAGES, subjects)
        campaigns = _stored(connection, CAMPAIGNS, subjects)
        unmet = _unmet_claims(connection, known, messages)
    return _slice(known, messages, campaigns, unmet), subjects.end


def _stored(connection: Connection, table: Table, subjects: Range) -> Rows:
    (key,) = table.primary_key
    found = connection.execute(select(*compared(table)).where(subjects.holds(key))).mappings()
    return {row[key.name]: dict(row) for row in found}


def compared(table: Table) -> list[Column[Any]]:
    """Return the columns of `table` that say what is true; `updated_at` says when we worked."""
    return [column for column in table.columns if column.name != "updated_at"]


def _slice(known: Known, messages: Rows, campaigns: Rows, unmet: list[UnmetClaim]) -> Slice:
    of_messages = {subject: message_row(facts, _told(messages, subject)) for subject, facts in known.facts.items()}
    of_campaigns = {subject: campaign_row(facts) for subject, facts in known.facts.items()}
    expected_messages = {subject: _columns(row) for subject, row in of_messages.items() if row}
    expected_campaigns = {subject: _columns(row) for subject, row in of_campaigns.items() if row}
    drifts = [
        *_drifts(MESSAGES, messages, expected_messages, known.unreadable),
        *_drifts(CAMPAIGNS, campaigns, expected_campaigns, known.unreadable),
    ]
    drifting = {claim.subject for claim in unmet}
    drifting |= {subject for drift in drifts if drift.expected for subject in drift.key.values()}
    return Slice(
        facts=known.fact_count,
        unreadable=sum(known.unreadable.values()),
        right={
            MESSAGES.name: _count_equal(messages, expected_messages),
            CAMPAIGNS.name: _count_equal(campaigns, expected_campaigns),
        },
        drifts=drifts,
        unmet=unmet,
        repairing=[fact for subject in sorted(drifting) for fact in known.facts[subject]],
    )


def _told(messages: Rows, subject: str) -> Hints:
    """What the stored row of a message still tells of it, though the body that told it gave way."""
    return _hints(messages[subject]) if subject in messages else []


def _drifts(table: Table, stored: Rows, expected: Rows, unreadable: Collection[str]) -> Iterator[Drift]:
    (key,) = table.primary_key
    for subject in sorted(stored.keys() | expected.keys()):
        found, made = stored.get(subject), expected.get(subject)
        # Whether a body that cannot be read makes a row cannot be said, so such a row stays.
        if found != made and (made or subject not in unreadable):
            yield Drift(table=table.name, key={key.name: subject}, stored=found, expected=made)


def _count_equal(stored: Rows, expected: Rows) -> int:
    return sum(expected.get(subject) == row for subject, row in stored.items())


def _unmet_claims(connection: Connection, known: Known, messages: Rows) -> list[UnmetClaim]:
    claims: list[tuple[str, OptOutRow, bool]] = []
    for subject, facts in known.facts.items():
        of_facts = opt_out_rows(facts)
        claims += [(subject, claim, True) for claim in of_facts]
        claims += [
            (subject, claim, False) for claim in opt_out_rows(facts, _told(messages, subject)) if claim not in of_facts
        ]
    stored = read_opt_outs(connection, {claim.address for _, claim, _ in claims})
    return [
        UnmetClaim(subject=subject, row=claim, is_missing=row_of(claim, stored) is None)
        for subject, claim, is_of_fact in claims
        if not _is_met(claim, stored, is_of_fact=is_of_fact)
    ]


def read_opt_outs(connection: Connection, addresses: Iterable[str]) -> OptOutRows:
    """Return every row of `opt_outs` of these addresses, by address."""
    found: OptOutRows = {}
    for some in _slices(sorted(addresses)):
        query = select(*compared(OPT_OUTS)).where(OPT_OUTS.c.address.in_(some))
        for row in connection.execute(query).mappings():
            found.setdefault(row["address"], []).append(dict(row))
    return found


def row_of(claim: OptOutRow, stored: OptOutRows) -> Row | None:
    """Return the row that `claim` is about, None where `stored` has none."""
    rows = stored.get(claim.address, ())
    return next((row for row in rows if (row["channel"], row["sender"]) == (claim.channel, claim.sender)), None)


def _is_met(claim: OptOutRow, stored: OptOutRows, *, is_of_fact: bool) -> bool:
    if is_of_fact:
        return is_as_strong(row_of(claim, stored), claim)
    # Where only a body that gave way told the address, the channel is the one that was known when the opt-out was
    # applied, or any: see docs/decisions/0006-opt-outs-are-never-taken-back.md.
    return any(
        is_as_strong(row, claim)
        and row["sender"] == claim.sender
        and (row["channel"] in (claim.channel, "") or row["message_id"] == claim.message_id)
        for row in stored.get(claim.address, ())
    )


def is_as_strong(row: Row | None, claim: OptOutRow) -> bool:
    """Does the row say all that `claim` does? One that says more is right: a row only ever gets later."""
    if row is None or row["opted_out_at"] is None:
        return False
    return bool((row["opted_out_at"], row["message_id"] or "", row["source"] != OptOutSource.FAILURE) >= claim.strength)
