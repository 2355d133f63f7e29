"""One person, by any spelling of their address: what `zexa-sync person show` tells."""

from http import HTTPStatus

from flask import Response, make_response, redirect, request, url_for
from sqlalchemy import Connection, select

from models.tables import HISTORY, MESSAGES
from receiver.console.pages import Pages, number_parameter, parameter, problem, rendered, stores
from sync.events.addresses import AddressReading, is_placeholder, read_on_any
from sync.events.naming import names_any
from sync.opt_outs import Knowledge, knowledge_of
from sync.opt_outs.find_scanner_hints import find_scanner_hints
from sync.person.find import BODIES_LOOKED_AT, Holdings, find_person
from sync.person.search import search_queue

MESSAGES_SHOWN = 20


def add_pages(pages: Pages) -> None:
    pages.page("/person", person)
    pages.page("/person", find_one, method="POST")


def person() -> Response:
    """Show the person of a message or of a statement, so that no address stands in a URL."""
    if not (request.args.keys() & {"statement", "message"}):  # the page of a search, asked for in another language
        return make_response(redirect(url_for("console.messages")))
    with stores().reader.connect() as connection:
        address = address_of(connection)
    return problem(HTTPStatus.NOT_FOUND) if address is None else person_page(address)


def find_one() -> Response:
    return person_page(parameter("address"))


def address_of(connection: Connection) -> str | None:
    """Return the address that the message or the statement of this URL names."""
    if (statement := number_parameter("statement")) is not None:
        query = select(HISTORY.c.address).where(HISTORY.c.id == statement)
    else:
        query = select(MESSAGES.c.recipient).where(MESSAGES.c.message_id == parameter("message"))
    return connection.execute(query).scalar_one_or_none()


def person_page(address: str, status: HTTPStatus = HTTPStatus.OK, problem_text: object = None) -> Response:
    """Return all that is held about the person with this address, in any spelling."""
    reading = read_on_any(None, address, stores().region)
    if not reading.addresses or is_placeholder(address):
        return rendered("person.html", HTTPStatus.NOT_FOUND, address=address, held=None)
    held = holdings(reading)
    with stores().reader.connect() as connection:
        hints = find_scanner_hints(connection, [row["id"] for row in held.history])
    known = sum(knowledge_of(row) is Knowledge.IN_FORCE for row in held.late)
    values = {"held": held, "late_though_known": known, "problem_text": problem_text, "hints": hints}
    return rendered("person.html", status, address=address, **values)


def holdings(reading: AddressReading) -> Holdings:
    opened = stores()
    names = names_any({address.person for address in reading.addresses}, opened.region)
    waiting = search_queue(opened.queue, names, at_most=BODIES_LOOKED_AT)
    return find_person(opened.reader, reading.addresses, waiting, options=opened.options, limit=MESSAGES_SHOWN)
