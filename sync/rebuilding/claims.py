"""Compares `opt_outs` with what the opt-outs of the ledger claim. Its rows belong to no subject: many may claim one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from sync.events import Event
from sync.merge import OptOutRow, OptOutSource, opt_out_rows
from sync.statements import is_one_of, slices
from sync.store import OPT_OUTS, Hints

Row = Mapping[str, Any]
OptOutRows = dict[str, list[Row]]

# The columns that say what is true; `updated_at` says when we worked.
COMPARED = [column for column in OPT_OUTS.columns if column.name != "updated_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetClaim:
    """What an opt-out of the ledger claims and `opt_outs` does not say."""

    subject: str
    row: OptOutRow = field(repr=False)
    is_missing: bool  # there is no row of this key; else it is weaker


def unmet_claims(
    connection: Connection, facts: Mapping[str, list[Event]], told: Callable[[str], Hints]
) -> list[UnmetClaim]:
    """Return what these facts, by subject, claim in vain; `told` says what the row of a message still tells of it."""
    claims: list[tuple[str, OptOutRow, bool]] = []
    for subject, known in facts.items():
        if not has_opt_out(known):
            continue
        of_facts = opt_out_rows(known)
        claims += [(subject, claim, True) for claim in of_facts]
        claims += [(subject, claim, False) for claim in opt_out_rows(known, told(subject)) if claim not in of_facts]
    stored = read_opt_outs(connection, {claim.address for _, claim, _ in claims})
    return [
        UnmetClaim(subject=subject, row=claim, is_missing=row_of(claim, stored) is None)
        for subject, claim, is_of_fact in claims
        if not _is_met(claim, stored, is_of_fact=is_of_fact)
    ]


def has_opt_out(facts: Iterable[Event]) -> bool:
    """Does any of `facts` say that somebody opted out? Only then can they claim anything."""
    return any(fact.message is not None and fact.message.is_opt_out for fact in facts)


def read_opt_outs(connection: Connection, addresses: Iterable[str]) -> OptOutRows:
    """Return every row of `opt_outs` of these addresses, by address."""
    found: OptOutRows = {}
    for some in slices(sorted(addresses)):
        query = select(*COMPARED).where(is_one_of(connection, OPT_OUTS.c.address, some))
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
