"""One person, by any spelling of their address: what `zexa-sync person show` tells."""

from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, make_response, redirect, request, url_for
from sqlalchemy import Connection, select

from models.tables import HISTORY, MESSAGES
from receiver.console.pages import Pages, asked, asked_number, problem, rendered, stores
from sync.events.addresses import AddressReading, is_placeholder, read_on_any
from sync.events.naming import names_any
from sync.opt_outs import Knowledge, knowledge_of
from sync.opt_outs.find_scanner_hints import find_scanner_hints
from sync.person.find import BODIES_LOOKED_AT, Holdings, find_person
from sync.person.search import search_queue

MESSAGES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonVerdict:
    """What is to be said first: may the person be messaged, and was that done all the same?"""

    is_opted_out: bool
    since: object
    late: int
    in_force: int


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
    return person_page(asked("address"))


def address_of(connection: Connection) -> str | None:
    """Return the address that the message or the statement of this URL names."""
    if (statement := asked_number("statement")) is not None:
        query = select(HISTORY.c.address).where(HISTORY.c.id == statement)
    else:
        query = select(MESSAGES.c.recipient).where(MESSAGES.c.message_id == asked("message"))
    return connection.execute(query).scalar_one_or_none()


def person_page(address: str, status: HTTPStatus = HTTPStatus.OK, problem_text: object = None) -> Response:
    """Return all that is held about the person with this address, in any spelling."""
    reading = read_on_any(None, address, stores().region)
    if not reading.addresses or is_placeholder(address):
        return rendered("person.html", HTTPStatus.NOT_FOUND, address=address, held=None)
    held = holdings(reading)
    with stores().reader.connect() as connection:
        hints = find_scanner_hints(connection, [row["id"] for row in held.history])
    values = {
        "held": held,
        "verdict": verdict_of(held),
        "meant": meant(held),
        "problem_text": problem_text,
        "hints": hints,
    }
    return rendered("person.html", status, address=address, **values)


def meant(held: Holdings) -> list[str]:
    """Return the spellings that are likely meant: Slack takes any text for an id, but hardly ever is that meant."""
    texts = [address.text for address in held.people]
    return [text for text in texts if text[0] == "+" or "@" in text] or texts


def holdings(reading: AddressReading) -> Holdings:
    opened = stores()
    names = names_any({address.person for address in reading.addresses}, opened.region)
    waiting = search_queue(opened.queue, names, at_most=BODIES_LOOKED_AT)
    return find_person(opened.reader, reading.addresses, waiting, options=opened.options, limit=MESSAGES_SHOWN)


def verdict_of(held: Holdings) -> PersonVerdict:
    in_force = [row["opted_out_at"] for row in held.opt_outs if row["is_in_force"]]
    late_knowledge = [knowledge_of(row) for row in held.late]
    return PersonVerdict(
        is_opted_out=bool(in_force),
        since=min(in_force, default=None),
        late=len(late_knowledge),
        in_force=sum(knowledge is Knowledge.IN_FORCE for knowledge in late_knowledge),
    )
