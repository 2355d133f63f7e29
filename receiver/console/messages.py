"""Messages: found by id, or by an address in any spelling; and one message, with the reason for its status."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, redirect, request, url_for
from sqlalchemy import Connection, Row, select

from models.tables import MESSAGES
from receiver.console.listing import NONE, failure_selection, listed, message_selection, title_of
from receiver.console.numbers import CHANNELS
from receiver.console.pages import ROWS_ON_A_PAGE, Pages, parameter, problem, rendered, stores
from sync.events.addresses import is_placeholder, read_on_any, spellings_of
from sync.reports.messages import CountedKind
from sync.reports.trace.gather import Fact, Trace, trace_message


def add_pages(pages: Pages) -> None:
    pages.page("/messages", messages)
    pages.page("/messages", find_messages, method="POST")
    pages.page("/message", message)
    pages.page("/failed", failed_messages)


def messages() -> Response:
    """Show the form to search, and the messages behind a number if the address says which."""
    with stores().reader.connect() as connection:
        selection = message_selection(connection)
        if selection.is_bounded:
            return messages_page(listing=listed(connection, selection))
    return messages_page(is_unbounded=bool(request.args.keys() & {"status", "day", "channel"}))


def failed_messages() -> Response:
    """Show the messages behind a reason of *Failures*, by an address that is short: that page has hundreds."""
    with stores().reader.connect() as connection:
        return messages_page(listing=listed(connection, failure_selection(connection)))


def messages_page(status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
    kinds = [(kind, title_of(kind)) for kind in CountedKind]
    return rendered("messages.html", status, kinds=kinds, channels=CHANNELS, none=NONE, **values)


def find_messages() -> Response:
    """Show what is found. The term comes by POST: an address in a URL would stand in the logs of every router."""
    term = parameter("term")
    if not term:
        return messages_page(HTTPStatus.UNPROCESSABLE_ENTITY, is_empty=True)
    with stores().reader.connect() as connection:
        if is_message_id(connection, term):
            return make_response(redirect(url_for("console.message", id=term), HTTPStatus.SEE_OTHER))
        rows = messages_to(connection, term)
    status = HTTPStatus.OK if rows else HTTPStatus.NOT_FOUND
    return messages_page(status, rows=rows, term=term, is_cut=len(rows) == ROWS_ON_A_PAGE)


def is_message_id(connection: Connection, text: str) -> bool:
    return connection.execute(select(MESSAGES.c.message_id).where(MESSAGES.c.message_id == text)).first() is not None


def messages_to(connection: Connection, text: str) -> Sequence[Row[Any]]:
    """Return the latest messages to whoever `text` may be, in any spelling."""
    if is_placeholder(text):
        return []
    people = {address.person for address in read_on_any(None, text, stores().region).addresses}
    recipients = sorted({spelling for person in people for spelling in spellings_of(person)})
    query = select(MESSAGES).where(MESSAGES.c.recipient.in_(recipients))
    ordered = query.order_by(MESSAGES.c.status_at.desc(), MESSAGES.c.message_id).limit(ROWS_ON_A_PAGE)
    return connection.execute(ordered).all() if recipients else []


def message() -> Response:
    message_id = parameter("id")
    story = trace_message(stores().reader, message_id, options=stores().options)
    if not story.is_known:
        return problem(HTTPStatus.NOT_FOUND, "message")
    return rendered("message.html", story=story, row=story.message or {}, decisive=decisive(story))


def decisive(story: Trace) -> Fact | None:
    """Return the fact that decided the status: the one that the row's status and time are of."""
    row = story.message or {}
    for fact in story.facts:
        says = fact.name.partition(".")[2]
        if fact.holds and says == row.get("status") and fact.occurred_at == row.get("status_at"):
            return fact
    return None
