"""Compares rows with those that the ledger's facts make, each slice as it stands at one moment. Writes nothing."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Table, select

from sync.events import Event
from sync.merge import CampaignRow, MessageRow, campaign_row, message_row
from sync.reading import Reading
from sync.rebuilding.claims import Row, UnmetClaim, unmet_claims
from sync.rebuilding.ledger import Known, Range, next_range, read_ledger
from sync.rebuilding.patience import patiently
from sync.statements import columns_of, hold_one_moment, values_of
from sync.store import CAMPAIGNS, LEDGER, MESSAGES, Hints, hints_of

Stored = Mapping[str, tuple[Any, ...]]

# What a row of a status table says, without `updated_at`, which says when we worked.
_KINDS: Mapping[str, type[MessageRow | CampaignRow]] = {MESSAGES.name: MessageRow, CAMPAIGNS.name: CampaignRow}


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
class Slice:
    """What comparing one range of subjects found."""

    facts: int
    unreadable: int  # of `facts`
    right: Mapping[str, int]  # rows by table; those of `opt_outs` belong to no range
    drifts: list[Drift]  # of `message_status` and `campaign_status`
    unmet: list[UnmetClaim]
    repairing: Mapping[str, list[Event]] = field(
        repr=False
    )  # all facts of the subjects whose rows or claims they would repair


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
        unmet = unmet_claims(connection, known.facts, partial(_told, messages))
    return _slice(known, messages, campaigns, unmet), subjects.end


def _stored(connection: Connection, table: Table, subjects: Range) -> Stored:
    """Return the stored rows by key, each as the values of its fields, of which the key is the first."""
    columns = [table.c[name] for name in _KINDS[table.name].__slots__]
    query = select(*columns).where(subjects.holds(columns[0]))
    return {row[0]: row for row in map(tuple, connection.execute(query))}


def _told(messages: Stored, subject: str) -> Hints:
    """What the stored row of a message still tells of it, though the body that told it gave way."""
    return hints_of(_named(MESSAGES, messages[subject])) if subject in messages else []


def _slice(known: Known, messages: Stored, campaigns: Stored, unmet: list[UnmetClaim]) -> Slice:
    expected_messages: dict[str, MessageRow] = {}
    expected_campaigns: dict[str, CampaignRow] = {}
    for subject, facts in known.facts.items():
        if message := _message_row(facts, messages, subject):
            expected_messages[subject] = message
        if campaign := campaign_row(facts):
            expected_campaigns[subject] = campaign
    of_messages, right_messages = _drifts(MESSAGES, messages, expected_messages, known.unreadable)
    of_campaigns, right_campaigns = _drifts(CAMPAIGNS, campaigns, expected_campaigns, known.unreadable)
    drifts = of_messages + of_campaigns
    repairing = {claim.subject for claim in unmet}
    repairing |= {subject for drift in drifts if drift.expected for subject in drift.key.values()}
    return Slice(
        facts=known.fact_count,
        unreadable=sum(known.unreadable.values()),
        right={MESSAGES.name: right_messages, CAMPAIGNS.name: right_campaigns},
        drifts=drifts,
        unmet=unmet,
        repairing={subject: known.facts[subject] for subject in repairing},
    )


def _message_row(facts: list[Event], messages: Stored, subject: str) -> MessageRow | None:
    row = message_row(facts)
    if row and not (row.channel and row.recipient):  # only then does what the stored row tells count
        return message_row(facts, _told(messages, subject))
    return row


def _drifts(
    table: Table, stored: Stored, expected: Mapping[str, MessageRow | CampaignRow], unreadable: Collection[str]
) -> tuple[list[Drift], int]:
    """Return the rows that drift, in the order of their keys, and how many are right."""
    (key,) = table.primary_key
    drifts, right = [], 0
    for subject in sorted(stored.keys() | expected.keys()):
        found, row = stored.get(subject), expected.get(subject)
        if row and found == values_of(row):
            right += 1
        # Whether a body that cannot be read makes a row cannot be said, so such a row stays.
        elif row or subject not in unreadable:
            drifts.append(
                Drift(
                    table=table.name,
                    key={key.name: subject},
                    stored=_named(table, found) if found else None,
                    expected=columns_of(row) if row else None,
                )
            )
    return drifts, right


def _named(table: Table, values: tuple[Any, ...]) -> Row:
    return dict(zip(_KINDS[table.name].__slots__, values, strict=True))
