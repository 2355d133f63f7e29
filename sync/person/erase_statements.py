"""Erases a person from what was stated about opt-outs, and from the rows that follow.

That somebody stated something, what, and when stays for good: `opt_out_history` lets nothing else be rewritten.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, insert, or_, select, update

from models.statements import is_one_of, slices
from models.tables import FURTHER_BODIES, HISTORY, LEDGER, OPT_OUTS, OUTAGES
from sync.events.addresses import person_of
from sync.events.forget_keys import KEYED
from sync.events.forgotten import ForgottenPeople
from sync.events.opt_outs import OptOutKey
from sync.person.erasure import Erasure, several
from sync.store.opt_outs import write_rows

Row = RowMapping

_TEXTS = ("address", "sender", "message_id", "event", "stated_by", "reason")
_OPT_OUT_TEXTS = ("address", "sender", "message_id", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedBodies:
    """What bodies are called now: old digests and message ids with the new ones, and by old digest the event's name."""

    digests: Mapping[str, str]
    message_ids: Mapping[str, str]
    names: Mapping[str, str]


def rewrite_statements(
    connection: Connection,
    persons: Sequence[str],
    digests: Sequence[str],
    people: ForgottenPeople,
    renamed: RenamedBodies,
) -> None:
    """Rewrite what the bodies with these old `digests` stated of `persons`."""
    for piece in slices(digests):
        query = select(HISTORY).where(
            is_one_of(connection, HISTORY.c.person, persons), is_one_of(connection, HISTORY.c.digest, piece)
        )
        for row in connection.execute(query.order_by(HISTORY.c.id)).mappings().all():
            _rewrite(connection, row, people, renamed)


def _rewrite(connection: Connection, row: Row, people: ForgottenPeople, renamed: RenamedBodies) -> None:
    """Rewrite one statement. If two spellings become one pseudonym, the earlier of two alike stays."""
    digest, opt_out_id, sender = row["digest"], row["opt_out_id"], row["sender"]
    new = {
        "address": people.kept_address(row["address"]),
        "sender": sender and people.kept_address(sender),
        "message_id": renamed.message_ids.get(row["message_id"], row["message_id"]),
        "event": renamed.names.get(digest, row["event"]),
        "digest": renamed.digests.get(digest, digest),
        "opt_out_id": renamed.digests.get(opt_out_id, opt_out_id),
        "stated_by": row["stated_by"] and people.kept_text(row["stated_by"]),
        "reason": row["reason"] and people.kept_text(row["reason"]),
    }
    if all(row[name] == value for name, value in new.items()):
        return
    if new["digest"] is not None:
        key = (HISTORY.c[name] == new[name] for name in ("address", "sender", "digest"))
        query = select(HISTORY.c.id).where(HISTORY.c.channel == row["channel"], HISTORY.c.id != row["id"], *key)
        for other in connection.execute(query).scalars().all():
            connection.execute(delete(HISTORY).where(HISTORY.c.id == max(other, row["id"])))
            if other < row["id"]:
                return
    connection.execute(update(HISTORY).where(HISTORY.c.id == row["id"]).values(**new))


def erase_statements(erasure: Erasure) -> int:
    """Erase the person from all that people and files stated, and from `opt_outs`; return from how many statements.

    Owns its transactions, and comes after the bodies were erased.
    """
    names = erasure.finder()
    statements = [row.id for row in erasure.search(select(HISTORY)) if _is_named(row, _TEXTS, erasure, names)]
    for piece in several(statements):
        erasure.transact(partial(_erase_statements, erasure, piece))
    columns = [OPT_OUTS.c[name] for name in ("channel", *_OPT_OUT_TEXTS, "person")]
    keys = [
        (row.channel, row.address, row.sender)
        for row in erasure.search(select(*columns))
        if _is_named(row, _OPT_OUT_TEXTS, erasure, names)
    ]
    for keys_of_some in several(keys):
        erasure.transact(partial(_erase_opt_outs, keys_of_some))
    erasure.transact(_erase_from_outages)
    return len(statements)


def _erase_from_outages(connection: Connection, people: ForgottenPeople) -> None:
    """Take out what a person said of an outage: there are few."""
    columns = ("resolved_by", "resolved_reason")
    for row in connection.execute(select(OUTAGES).where(OUTAGES.c.resolved_at.is_not(None))).mappings().all():
        kept_texts = {name: row[name] and people.kept_text(row[name]) for name in columns}
        if any(kept_texts[name] != row[name] for name in columns):
            connection.execute(update(OUTAGES).where(OUTAGES.c.id == row["id"]).values(**kept_texts))


def _is_named(row: Any, columns: Sequence[str], erasure: Erasure, names: Callable[[bytes], bool]) -> bool:
    texts = [text for name in columns if (text := getattr(row, name))]
    return bool(row.person == erasure.person) or names(json.dumps(texts).encode())


def _erase_statements(erasure: Erasure, ids: Sequence[int], connection: Connection, people: ForgottenPeople) -> None:
    rows = connection.execute(select(HISTORY).where(HISTORY.c.id.in_(ids)).order_by(HISTORY.c.id)).mappings().all()
    keys: set[OptOutKey] = set()
    for row in rows:
        digest = row["digest"]
        lost = digest if digest and not digest.startswith(KEYED) and not _is_in_ledger(connection, row) else None
        forgotten = people.find(erasure.person)
        assert forgotten is not None
        digests = {lost: forgotten.key.keyed_digest(lost)} if lost else {}
        ids_renamed = _keyed_if_named(row["message_id"], people)
        name = row["event"] and _keyed_if_named(row["event"], people).get(row["event"])
        names_renamed = {digest: name} if digest and name else {}
        _rewrite(connection, row, people, RenamedBodies(digests=digests, message_ids=ids_renamed, names=names_renamed))
        keys |= _keys(connection, people.kept_address(row["address"]))
    write_rows(connection, keys, erasure.now)


def _keyed_if_named(text: str | None, people: ForgottenPeople) -> dict[str, str]:
    named = people.named_in_text(text) if text else []
    return {text: named[0].key.keyed_id(text)} if text and named else {}


def _is_in_ledger(connection: Connection, row: Row) -> bool:
    """Return whether the ledger has the body of a statement: as it was not erased, it names nobody."""
    subject = row["message_id"] or f"sha256:{row['digest']}"
    is_there = (
        exists().where(table.c.subject_id == subject, table.c.event == row["event"], table.c.digest == row["digest"])
        for table in (LEDGER, FURTHER_BODIES)
    )
    return bool(connection.execute(select(or_(*is_there))).scalar_one())


def _keys(connection: Connection, address: str) -> set[OptOutKey]:
    query = select(HISTORY.c.channel, HISTORY.c.address, HISTORY.c.sender)
    rows: Iterable[Any] = connection.execute(
        query.where(HISTORY.c.person == person_of(address), HISTORY.c.kind == "opted_out")
    )
    return {(row.channel, row.address, row.sender) for row in rows}


def _erase_opt_outs(keys: Sequence[OptOutKey], connection: Connection, people: ForgottenPeople) -> None:
    for key in keys:
        _erase_opt_out(connection, key, people)


def _erase_opt_out(connection: Connection, key: OptOutKey, people: ForgottenPeople) -> None:
    """Rename a row of `opt_outs` that was written by hand. Of any other what was stated has made the new one."""
    is_row = [OPT_OUTS.c[name] == value for name, value in zip(("channel", "address", "sender"), key, strict=True)]
    row = connection.execute(select(OPT_OUTS).where(*is_row).with_for_update()).mappings().one_or_none()
    if row is None:
        return
    new = {name: row[name] for name in row if name != "person"}
    new["address"], new["sender"] = people.kept_address(row["address"]), people.kept_address(row["sender"] or "")
    new["note"] = row["note"] and people.kept_text(row["note"])
    new["message_id"] = _keyed_if_named(row["message_id"], people).get(row["message_id"], row["message_id"])
    new_key = (new["channel"], new["address"], new["sender"])
    if new_key == key:
        connection.execute(update(OPT_OUTS).where(*is_row).values(note=new["note"], message_id=new["message_id"]))
        return
    connection.execute(delete(OPT_OUTS).where(*is_row))
    is_new = [OPT_OUTS.c[name] == value for name, value in zip(("channel", "address", "sender"), new_key, strict=True)]
    if connection.execute(select(OPT_OUTS.c.address).where(*is_new)).first() is None:
        # Whatever its id was made of: nothing else has it.
        connection.execute(insert(OPT_OUTS), new | {"opt_out_id": None})
