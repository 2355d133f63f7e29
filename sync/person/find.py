"""Gathers what is held about one person, as frozen data. It changes nothing and prints nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, func, or_, select

from models.in_force import in_force
from models.statements import hold_snapshot, is_one_of, slices
from models.tables import MESSAGES, OPT_OUTS
from models.views import OPT_OUT_STATEMENTS
from sync.events.addresses import Address, spellings_of
from sync.events.interpretation import ParseOptions
from sync.events.naming import names_any
from sync.opt_outs import sent_after_of
from sync.person.search import Names, SearchResult, search_dead_letters, search_facts, search_inbox
from sync.reports.trace import status_reasons
from sync.store.ledger_read import stored_bodies

Row = Mapping[str, Any]

# Of the bodies that no row links to a person, `show` looks at so many of each place.
BODIES_LOOKED_AT = 2_000

_LATEST = func.coalesce(MESSAGES.c.status_at, MESSAGES.c.opted_out_at, MESSAGES.c.updated_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """All that is held about a person, or about the two that a number without a plus may be.

    `messages` are the latest of `message_count`, each with `why` it has its status. `opt_outs` have a column more,
    `is_in_force`. `history` has the latest statement first; `late` are rows of `sent_after_opt_out`. `facts` are bodies
    of the ledger, with what the ledger knows of each; None if nobody asked for bodies. The others are what a search of
    bodies found; `queue` is None if Redis did not answer.
    """

    people: tuple[Address, ...]
    messages: Sequence[Row] = field(repr=False)
    message_count: int
    opt_outs: Sequence[Row] = field(repr=False)
    history: Sequence[Row] = field(repr=False)
    late: Sequence[Row] = field(repr=False)
    facts: Sequence[Row] | None = field(repr=False)
    other_facts: SearchResult
    dead_letters: SearchResult
    inbox: SearchResult
    queue: SearchResult | None

    @property
    def is_anything(self) -> bool:
        places = (self.other_facts, self.dead_letters, self.inbox, self.queue)
        is_found = any(place.rows for place in places if place is not None)
        return bool(self.messages or self.opt_outs or self.history or is_found)

    @property
    def opted_out_since(self) -> datetime | None:
        """Return since when the person must not be messaged, None if they may be."""
        return min((row["opted_out_at"] for row in self.opt_outs if row["is_in_force"]), default=None)

    @property
    def likely_meant(self) -> list[str]:
        """Return the spellings that are likely meant: Slack takes any text for an id, but hardly ever is that meant."""
        texts = [address.text for address in self.people]
        return [text for text in texts if text[0] == "+" or "@" in text] or texts


def find_person(
    engine: Engine,
    people: Sequence[Address],
    queue: SearchResult | None,
    *,
    options: ParseOptions,
    limit: int | None,
) -> Holdings:
    """Return what is held about `people`, as it stood at one moment; `queue` was searched before.

    With a `limit` at most so many messages, and no facts; every search then ends after BODIES_LOOKED_AT bodies. Reads
    in one transaction. Errors of the database are SQLAlchemy's DBAPIError and pass through.
    """
    # A person who was forgotten is held under a pseudonym.
    pseudonyms = {key.pseudonym(address.person) for key in options.forget_keys for address in people}
    persons = sorted({address.person for address in people} | pseudonyms)
    names = names_any(persons, options.default_region)
    at_most = None if limit is None else BODIES_LOOKED_AT
    with engine.begin() as connection:
        hold_snapshot(connection)
        opt_outs = _opt_outs(connection, persons)
        history = _history(connection, persons)
        named = {row["message_id"] for row in (*opt_outs, *history) if row["message_id"]}
        are_theirs = _are_theirs(connection, persons, named)
        messages = _messages(connection, are_theirs, options, limit)
        own_ids = {row["message_id"] for row in messages}
        subjects = own_ids | named | {row["subject_id"] for row in history if row["subject_id"]}
        other_facts = search_facts(connection, names, at_most=at_most)
        theirs = _ids(connection, are_theirs, {row["subject_id"] for row in other_facts.rows})
        return Holdings(
            people=tuple(people),
            messages=messages,
            message_count=_count(connection, are_theirs),
            opt_outs=opt_outs,
            history=history,
            late=_late(connection, are_theirs, history),
            facts=_facts(connection, sorted(subjects), own_ids, names) if limit is None else None,
            other_facts=_without(other_facts, subjects | theirs),
            dead_letters=search_dead_letters(connection, names, at_most=at_most),
            inbox=search_inbox(connection, names, at_most=at_most),
            queue=queue,
        )


def _are_theirs(connection: Connection, persons: Sequence[str], named: set[str]) -> ColumnElement[bool]:
    """Return which messages went to `persons`; one that names no recipient is found by its opt-out."""
    recipients = [text for person in persons for text in spellings_of(person)]
    is_unnamed = MESSAGES.c.recipient.is_(None)
    unnamed = _ids(connection, is_unnamed, named)
    to_them = MESSAGES.c.recipient.in_(recipients)
    return or_(to_them, MESSAGES.c.message_id.in_(sorted(unnamed))) if unnamed else to_them


def _ids(connection: Connection, condition: ColumnElement[bool], message_ids: set[str]) -> set[str]:
    """Return those of `message_ids` whose rows fulfil `condition`."""
    ids: set[str] = set()
    for piece in slices(sorted(message_ids)):
        query = select(MESSAGES.c.message_id).where(condition, is_one_of(connection, MESSAGES.c.message_id, piece))
        ids.update(connection.execute(query).scalars())
    return ids


def _opt_outs(connection: Connection, persons: Sequence[str]) -> list[Row]:
    query = select(OPT_OUTS, in_force(OPT_OUTS).label("is_in_force")).where(OPT_OUTS.c.person.in_(persons))
    return [dict(row) for row in connection.execute(query.order_by(*OPT_OUTS.primary_key)).mappings()]


def _history(connection: Connection, persons: Sequence[str]) -> list[Row]:
    stated = OPT_OUT_STATEMENTS.c
    query = select(OPT_OUT_STATEMENTS).where(stated.person.in_(persons))
    ordered = query.order_by(stated.occurred_at.desc(), stated.id.desc())
    return [dict(row) for row in connection.execute(ordered).mappings()]


def _messages(
    connection: Connection, are_theirs: ColumnElement[bool], options: ParseOptions, limit: int | None
) -> list[Row]:
    query = select(MESSAGES).where(are_theirs).order_by(_LATEST.desc(), MESSAGES.c.message_id).limit(limit)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    reasons = status_reasons(connection, [row["message_id"] for row in rows], options=options)
    return [row | {"why": reasons.get(row["message_id"])} for row in rows]


def _count(connection: Connection, are_theirs: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(MESSAGES).where(are_theirs)).scalar_one()


def _late(connection: Connection, are_theirs: ColumnElement[bool], history: Sequence[Row]) -> list[Row]:
    stops = [row["occurred_at"] for row in history if row["kind"] == "opted_out"]
    if not stops:
        return []
    query = select(MESSAGES.c.message_id).where(are_theirs, MESSAGES.c.status_at > min(stops))
    return sent_after_of(connection, list(connection.execute(query).scalars()))


def _facts(connection: Connection, subjects: Sequence[str], own_ids: set[str], names: Names) -> list[Row]:
    """Return the bodies of `subjects` with what the ledger knows of each.

    Of the messages `own_ids` these are all bodies, of the other subjects those that name the person.
    The message of a STOP may have gone to somebody else, by another of its bodies.
    """
    rows: list[Row] = []
    for piece in slices(subjects):

        def is_wanted(subject: Column[str], piece: Sequence[str] = piece) -> ColumnElement[bool]:
            return is_one_of(connection, subject, piece)

        for row in connection.execute(stored_bodies(is_wanted)).mappings():
            body = bytes(row["body"])
            if row["subject_id"] in own_ids or names(body):
                rows.append({**row, "body": body, "holds": bool(row["holds"])})
    return sorted(rows, key=lambda row: (row["subject_id"], row["occurred_at"], row["event"], row["digest"]))


def _without(result: SearchResult, subjects: set[str]) -> SearchResult:
    """Leave out facts that are shown as a message's or a statement's."""
    return replace(result, rows=tuple(row for row in result.rows if row["subject_id"] not in subjects))
