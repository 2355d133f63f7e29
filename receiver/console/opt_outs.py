"""Opt-outs: what was stated of late, what people state here, and the evidence of one person to print."""

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Response
from sqlalchemy import Connection, Row, select

from models.tables import HISTORY
from receiver.console.language import _
from receiver.console.pages import (
    ROWS_ON_A_PAGE,
    Pages,
    number_parameter,
    parameter,
    problem,
    redirect_with,
    rendered,
    stores,
)
from receiver.console.person import address_of, person_page
from receiver.console.session import account
from sync.events.addresses import channel_name, is_placeholder, read_address, read_on_any, sender_text
from sync.events.written_text import is_storable
from sync.opt_outs.add import OptOutWord, scope_of, state_opt_outs
from sync.opt_outs.evidence import gather_evidence
from sync.opt_outs.find_scanner_hints import find_scanner_hints
from sync.opt_outs.remove import Resubscription, resubscribe_patiently
from sync.users.audit import Action, note


def add_pages(pages: Pages) -> None:
    pages.page("/opt-outs", opt_outs)
    pages.page("/evidence", evidence)
    pages.action("/opt-outs/add", add_opt_out)
    pages.action("/opt-outs/remove", remove_opt_out)


def opt_outs() -> Response:
    return opt_outs_page()


def opt_outs_page(status: HTTPStatus = HTTPStatus.OK, problem_text: object = None) -> Response:
    """Show what was stated of late, in pages by key: never a count of all."""
    with stores().reader.connect() as connection:
        rows = latest_statements(connection, before=number_parameter("before"))
        hints = find_scanner_hints(connection, [row.id for row in rows])
    older = rows[-1].id if len(rows) == ROWS_ON_A_PAGE else None
    return rendered("opt_outs.html", status, rows=rows, older=older, hints=hints, problem_text=problem_text)


def latest_statements(connection: Connection, *, before: int | None) -> Sequence[Row[Any]]:
    query = select(HISTORY).order_by(HISTORY.c.id.desc()).limit(ROWS_ON_A_PAGE)
    return connection.execute(query if before is None else query.where(HISTORY.c.id < before)).all()


def add_opt_out() -> Response:
    """Opt somebody out by the word of the person who is signed in."""
    address, reason, by = parameter("address"), parameter("reason"), account().name
    channel = channel_name(parameter("channel"))
    reading = read_address(channel, address, stores().region)
    if reading.problem is not None or is_placeholder(address):
        return opt_outs_page(
            HTTPStatus.UNPROCESSABLE_ENTITY, _("That is no address, so nothing was recorded. Is a digit missing?")
        )
    if not is_storable(reason):
        return opt_outs_page(HTTPStatus.UNPROCESSABLE_ENTITY, _("Say why, or how they said so: nothing was recorded."))
    now = datetime.now(UTC)
    channel, sender = scope_of(channel, parameter("sender"), stores().region)
    word = OptOutWord(channel=channel, sender=sender, at=None, by=by, reason=reason)
    with stores().writer.begin() as connection:
        spellings = tuple(address.text for address in reading.addresses)
        state_opt_outs(connection, [spellings], word, now, forget_keys=stores().options.forget_keys)
        statement = _latest_by(connection, by)
        note(connection, by, Action.OPT_OUT_ADDED, now, str(statement))
    text = _("Opted out. Your name and your reason stand in the history for good.")
    return redirect_with(text, "person", statement=statement)


def remove_opt_out() -> Response:
    """End the opt-outs of somebody by the word of the person who is signed in."""
    address, reason, by = parameter("address"), parameter("reason"), account().name
    addresses = read_on_any(None, address, stores().region).addresses
    if not addresses or is_placeholder(address):
        return opt_outs_page(HTTPStatus.UNPROCESSABLE_ENTITY, _("That is no address, so nothing was ended."))
    if not is_storable(reason):
        return person_page(
            address, HTTPStatus.UNPROCESSABLE_ENTITY, _("Say why they may be messaged: nothing was ended.")
        )
    channel = channel_name(parameter("channel")) or None
    sender = sender_text(parameter("sender"), stores().region) or None
    word = Resubscription(channel=channel, sender=sender, by=by, reason=reason)
    results = resubscribe_patiently(
        stores().writer, [address], word, default_region=stores().region, forget_keys=stores().options.forget_keys
    )
    with stores().writer.begin() as connection:
        statement = _latest_by(connection, by)
        note(connection, by, Action.OPT_OUT_REMOVED, datetime.now(UTC), str(statement))
    if any(result.in_force for result in results):
        text = _("Some opt-outs remain in force: they say more than what you ended, or clocks differ.")
    elif any(result.ended for result in results):
        text = _("Ended. Zexa or a carrier may still block this person: ask Zexa before you promise a message.")
    else:
        text = _("There was no opt-out to end. Your word stands in the history all the same.")
    return redirect_with(text, "person", statement=statement)


def _latest_by(connection: Connection, name: str) -> int:
    """Return the id of the latest statement of `name`, which was made just now: it is among the last rows."""
    query = select(HISTORY.c.id).where(HISTORY.c.stated_by == name).order_by(HISTORY.c.id.desc()).limit(1)
    return int(connection.execute(query).scalar_one())


def evidence() -> Response:
    """Show all that can be proved about a person, to print."""
    with stores().reader.connect() as connection:
        address = address_of(connection)
    if address is None:
        return problem(HTTPStatus.NOT_FOUND)
    if not account().may_act:
        return problem(HTTPStatus.FORBIDDEN, "role")
    proved = gather_evidence(
        stores().reader, address, default_region=stores().region, forget_keys=stores().options.forget_keys
    )
    with stores().reader.connect() as connection:
        hints = find_scanner_hints(connection, [row["id"] for row in proved.statements])
    return rendered("evidence.html", evidence=proved, hints=hints)
