"""Dead letters: authentic deliveries that could not be applied, each with its reason, until somebody decides."""

from datetime import UTC, datetime
from http import HTTPStatus

from flask import Response
from sqlalchemy import select

from models.tables import DEAD_LETTERS
from receiver.console.language import _
from receiver.console.pages import ROWS_ON_A_PAGE, Pages, asked, done, problem, rendered, stores
from receiver.console.session import account
from sync.dead_letters.find import LetterSelection, find_body, find_letter, oldest_letters
from sync.dead_letters.resolve import resolve
from sync.users.audit import Action, note


def add_pages(pages: Pages) -> None:
    pages.page("/dead-letters", dead_letters)
    pages.page("/dead-letter", dead_letter)
    pages.action("/dead-letter/resolve", resolve_letter)


def dead_letters() -> Response:
    """Show those that wait, the oldest first."""
    with stores().reader.connect() as connection:
        letters = oldest_letters(connection, LetterSelection(), limit=ROWS_ON_A_PAGE)
    return rendered("dead_letters.html", letters=letters, is_cut=len(letters) == ROWS_ON_A_PAGE)


def dead_letter() -> Response:
    digest = asked("digest")
    with stores().reader.connect() as connection:
        if connection.execute(select(DEAD_LETTERS.c.digest).where(DEAD_LETTERS.c.digest == digest)).first() is None:
            return problem(HTTPStatus.NOT_FOUND)
        letter, body = find_letter(connection, digest), find_body(connection, digest)
    return rendered("dead_letter.html", letter=letter, body=body.decode("utf-8", "backslashreplace"))


def resolve_letter() -> Response:
    """Put a letter aside, because the person who is signed in decided so."""
    digest, now = asked("digest"), datetime.now(UTC)
    if not resolve(stores().writer, LetterSelection(digests=(digest,)), now=now):
        return problem(HTTPStatus.NOT_FOUND)
    with stores().writer.begin() as connection:
        note(connection, account().name, Action.DEAD_LETTER_RESOLVED, now, digest)
    return done(_("Put aside. It stays in the table, and can be replayed on the command line."), "dead_letters")
