"""Compares rows with those that the ledger's bodies make, each slice as it stands at one moment. Writes nothing."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field, fields
from enum import StrEnum
from functools import partial
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Engine, Table, select

from models.statements import hold_snapshot, is_one_of, slices
from models.tables import CAMPAIGNS, HISTORY, LEDGER, MESSAGES, NAMELESS_OPT_OUTS
from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.merge import CampaignRow, MessageRow, campaign_row, holding, message_row
from sync.events.opt_outs import NAMELESS_FOR, OptOutStatement, nameless_opt_outs, opt_outs_of
from sync.rebuild.ledger_slices import KnownSubjects, Range, next_range, read_ledger
from sync.store.retry import patiently

Row = Mapping[str, Any]
Stored = Mapping[str, tuple[Any, ...]]

# What a row of a status table says, without `updated_at`, which says when we worked.
_KINDS: Mapping[str, type[MessageRow | CampaignRow]] = {MESSAGES.name: MessageRow, CAMPAIGNS.name: CampaignRow}
_HISTORY_KEY = ("address", "channel", "sender", "digest")


class DriftKind(StrEnum):
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
    def kind(self) -> DriftKind:
        if self.stored is None:
            return DriftKind.MISSING
        return DriftKind.SURPLUS if self.expected is None else DriftKind.CHANGED

    @property
    def subject(self) -> str | None:
        """The message or campaign whose row it is; None for a row about an address."""
        return next((self.key[name] for name in ("subject_id", "message_id", "campaign_id") if name in self.key), None)

    @property
    def columns(self) -> dict[str, tuple[Any, Any]]:
        """The columns that differ, stored and expected; columns of a row that is not there are None."""
        stored, expected = self.stored or {}, self.expected or {}
        pairs = {name: (stored.get(name), expected.get(name)) for name in {**stored, **expected}}
        return {name: pair for name, pair in pairs.items() if name not in self.key and pair[0] != pair[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What comparing one range of subjects found. Rows of `opt_outs` belong to no range."""

    facts: int
    unreadable: int  # bodies
    right: Mapping[str, int]  # rows by table
    drifts: list[Drift]
    repairing: list[Event] = field(repr=False)  # every body of the subjects whose rows are missing or changed


def compare(engine: Engine, *, options: ParseOptions, rows_per_slice: int) -> Iterator[Slice]:
    """Yield what comparing finds of the whole ledger and of the rows by subject, slice by slice.

    Each slice is read in one short transaction of its own, which has ended when the slice is yielded. `engine`
    may be read-only, and then no other process is kept from writing.
    """
    after: str | None = None
    while True:
        part, end = patiently(partial(_compare_next, engine, after, options, rows_per_slice))
        yield part
        if end is None:
            return
        after = end


def _compare_next(engine: Engine, after: str | None, options: ParseOptions, rows: int) -> tuple[Slice, str | None]:
    with engine.begin() as connection:
        hold_snapshot(connection)
        subjects = next_range(connection, after, rows)
        ledger = read_ledger(connection, subjects.holds, options)
        messages = _stored(connection, MESSAGES, subjects)
        campaigns = _stored(connection, CAMPAIGNS, subjects)
        nameless = _stored_nameless(connection, subjects)
        statements = [statement for events in ledger.events.values() for statement in opt_outs_of(events)]
        noted = _noted(connection, statements)
    return _slice(ledger, messages, campaigns, nameless, statements, noted), subjects.end


def _stored(connection: Connection, table: Table, subjects: Range) -> Stored:
    """Return the stored rows by key, each as the values of its fields, of which the key is the first."""
    columns = [table.c[name] for name in _KINDS[table.name].__struct_fields__]
    query = select(*columns).where(subjects.holds(columns[0]))
    return {row[0]: row for row in map(tuple, connection.execute(query))}


def _stored_nameless(connection: Connection, subjects: Range) -> list[Row]:
    query = select(NAMELESS_OPT_OUTS).where(subjects.holds(NAMELESS_OPT_OUTS.c.subject_id))
    return [dict(row) for row in connection.execute(query).mappings()]


def _noted(connection: Connection, statements: Iterable[OptOutStatement]) -> set[tuple[Any, ...]]:
    """Return the keys of what the history has about the addresses of `statements`, of what events stated."""
    keys: set[tuple[Any, ...]] = set()
    for addresses in slices(sorted({statement.address for statement in statements})):
        query = select(*(HISTORY.c[name] for name in _HISTORY_KEY)).where(HISTORY.c.digest.is_not(None))
        keys |= {
            tuple(row) for row in connection.execute(query.where(is_one_of(connection, HISTORY.c.address, addresses)))
        }
    return keys


def _slice(
    ledger: KnownSubjects,
    messages: Stored,
    campaigns: Stored,
    nameless: list[Row],
    statements: list[OptOutStatement],
    noted: set[tuple[Any, ...]],
) -> Slice:
    messages_expected = {subject: message_row(events) for subject, events in ledger.events.items()}
    campaigns_expected = {subject: campaign_row(events) for subject, events in ledger.events.items()}
    parts = (
        _ledger_drifts(ledger),
        _drifts(MESSAGES, messages, messages_expected, ledger.unreadable),
        _drifts(CAMPAIGNS, campaigns, campaigns_expected, ledger.unreadable),
        _nameless_drifts(nameless, ledger),
        _history_drifts(statements, noted),
    )
    drifts = [drift for of_table, _ in parts for drift in of_table]
    tables = (LEDGER, MESSAGES, CAMPAIGNS, NAMELESS_OPT_OUTS, HISTORY)
    repairing = {subject for drift in drifts if drift.expected and (subject := drift.subject)}
    repairing |= _subjects_stating(drifts, ledger)
    return Slice(
        facts=ledger.fact_count,
        unreadable=sum(ledger.unreadable.values()),
        right={table.name: right for table, (_, right) in zip(tables, parts, strict=True)},
        drifts=drifts,
        repairing=[event for subject in sorted(repairing) for event in ledger.events.get(subject, ())],
    )


def _subjects_stating(drifts: Iterable[Drift], ledger: KnownSubjects) -> set[str]:
    digests = {drift.key["digest"] for drift in drifts if drift.table == HISTORY.name}
    return {event.subject_id for event in ledger.read if event is not None and event.digest in digests}


def _ledger_drifts(ledger: KnownSubjects) -> tuple[list[Drift], int]:
    """Compare what the ledger says of each body with how the body is read now."""
    holding_events = holding(event for event in ledger.read if event is not None)
    drifts = []
    for row, event in zip(ledger.stored, ledger.read, strict=True):
        if event is None:
            continue
        expected = {
            "occurred_at": event.occurred_at,
            "is_dated": event.is_dated,
            "origin": event.origin,
            "holds": holding_events[event.key] is event or row.subject_id in ledger.unreadable,
        }
        stored = {
            "occurred_at": row.occurred_at,
            "is_dated": row.is_dated,
            "origin": row.ledger_origin,
            "holds": bool(row.holds) or row.subject_id in ledger.unreadable,
        }
        if stored != expected:
            key = {"subject_id": row.subject_id, "event": row.event, "digest": row.digest}
            drifts.append(Drift(table=LEDGER.name, key=key, stored=stored, expected=expected))
    return drifts, len(ledger.stored) - sum(ledger.unreadable.values()) - len(drifts)


def _drifts(
    table: Table, stored: Stored, expected: Mapping[str, MessageRow | CampaignRow | None], unreadable: Collection[str]
) -> tuple[list[Drift], int]:
    """Return the rows that drift, in the order of their keys, and how many are right."""
    (key,) = table.primary_key
    drifts, right = [], 0
    for subject in sorted(stored.keys() | {subject for subject, row in expected.items() if row}):
        values, row = stored.get(subject), expected.get(subject)
        if row and values == structs.astuple(row):
            right += 1
        # Whether a body that cannot be read makes a row cannot be said, so such a row stays.
        elif row or subject not in unreadable:
            drifts.append(
                Drift(
                    table=table.name,
                    key={key.name: subject},
                    stored=_named(table, values) if values else None,
                    expected=structs.asdict(row) if row else None,
                )
            )
    return drifts, right


def _named(table: Table, values: tuple[Any, ...]) -> Row:
    return dict(zip(_KINDS[table.name].__struct_fields__, values, strict=True))


def _nameless_drifts(stored: list[Row], ledger: KnownSubjects) -> tuple[list[Drift], int]:
    expected = {
        (subject, event.digest): {
            "subject_id": subject,
            "digest": event.digest,
            "received_at": event.received_at,
            "holds_until": event.received_at + NAMELESS_FOR,
        }
        for subject, events in ledger.events.items()
        for event in nameless_opt_outs(events)
    }
    keys = {(row["subject_id"], row["digest"]): row for row in stored}
    drifts = [
        Drift(
            table=NAMELESS_OPT_OUTS.name,
            key={"subject_id": key[0], "digest": key[1]},
            stored=keys.get(key),
            expected=expected.get(key),
        )
        for key in sorted(expected.keys() | keys.keys())
        if keys.get(key) != expected.get(key) and (key in expected or key[0] not in ledger.unreadable)
    ]
    return drifts, len(expected.keys() & keys.keys()) - sum(drift.kind is DriftKind.CHANGED for drift in drifts)


def _history_drifts(statements: Iterable[OptOutStatement], noted: set[tuple[Any, ...]]) -> tuple[list[Drift], int]:
    """Return what bodies state and the history has not. What it has besides was stated once, and stays."""
    drifts, right = [], 0
    names = [field.name for field in fields(OptOutStatement)]
    for statement in statements:
        expected_row = dict(zip(names, astuple(statement), strict=True))
        key = {name: expected_row[name] for name in _HISTORY_KEY}
        if tuple(key.values()) in noted:
            right += 1
        else:
            drifts.append(Drift(table=HISTORY.name, key=key, stored=None, expected=expected_row))
    return drifts, right
