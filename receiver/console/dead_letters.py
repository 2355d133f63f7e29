"""Dead letters: authentic deliveries that could not be applied, each with its reason, until somebody decides."""

import re
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Response
from markupsafe import Markup
from sqlalchemy import Connection, select

from models.tables import DEAD_LETTERS
from receiver.console.addresses import shown_text
from receiver.console.language import _, number_text
from receiver.console.pages import ROWS_ON_A_PAGE, Pages, parameter, problem, redirect_with, rendered, stores
from receiver.console.session import account
from sync.dead_letters.find import (
    LetterSelection,
    State,
    count_letters,
    find_body,
    find_letter,
    oldest_letters,
)
from sync.dead_letters.replay_request import KIND, parameters_of
from sync.dead_letters.resolve import resolve
from sync.events.event import Reason
from sync.tasks import add_task
from sync.terminal.text import visible
from sync.users.audit import Action, note

# Counting stops here, so that it holds up nobody.
COUNTED_MAX = 10_000
ERRORS = {
    "the body is compressed, and broken or too long",
    "the body is not UTF-8",
    "the body is not JSON",
    "the body nests too deep",
    "the body is JSON, but not an object",
    "the opt-out names neither a message nor an address",
    "a field that identifies something contains NUL",
    "a field that identifies something contains half a surrogate pair",
    "a field that identifies something is over {n} bytes",
}
REASONS = frozenset(map(str, Reason))
_SIZE = re.compile(r"(?<= over )\d+(?= bytes$)")
STATES = {State.UNRESOLVED: "those that wait", State.RESOLVED: "those decided", State.ANY: "all"}


def add_pages(pages: Pages) -> None:
    pages.page("/dead-letters", dead_letters)
    pages.page("/dead-letters/replay", replay_question)
    pages.page("/dead-letter", dead_letter)
    pages.action("/dead-letters/replay", replay_letters)
    pages.action("/dead-letter/replay", replay_letter)
    pages.action("/dead-letter/resolve", resolve_letter)


def dead_letters() -> Response:
    """Show those of a reason and a state, the oldest first, in pages by key."""
    selection = LetterSelection(reason=reason_parameter(), state=state_parameter())
    with stores().reader.connect() as connection:
        letters = oldest_letters(connection, selection, limit=ROWS_ON_A_PAGE, after=parameter("after") or None)
    newer = letters[-1].digest if len(letters) == ROWS_ON_A_PAGE else None
    return rendered(
        "dead_letters.html",
        letters=letters,
        newer=newer,
        reason=selection.reason,
        state=selection.state,
        reasons=list(Reason),
        states=STATES,
        can_replay=bool(letters) and selection.state is State.UNRESOLVED,
    )


def dead_letter() -> Response:
    digest = parameter("digest")
    with stores().reader.connect() as connection:
        if not is_letter(connection, digest):
            return problem(HTTPStatus.NOT_FOUND)
        letter, body = find_letter(connection, digest), find_body(connection, digest)
    return rendered("dead_letter.html", letter=letter, body=body.decode("utf-8", "backslashreplace"))


def error_text(error: str) -> Markup | str:
    """Return in the person's language why a delivery could not be applied; what a database says stays as it is."""
    size = _SIZE.search(error)
    form = _SIZE.sub("{n}", error)
    if form not in ERRORS:
        return shown_text(error)
    return _(form, n=number_text(int(size[0]))) if size else _(form)


def replay_question() -> Response:
    """Say how many letters would be replayed. Nothing happens before somebody presses the button."""
    if not account().may_act:
        return problem(HTTPStatus.FORBIDDEN, "role")
    now = datetime.now(UTC)
    selection = LetterSelection(reason=reason_parameter(), received_until=now)
    with stores().reader.connect() as connection:
        count = count_letters(connection, selection, at_most=COUNTED_MAX)
    until = now.isoformat()
    return rendered("replay.html", count=count, is_cut=count == COUNTED_MAX, reason=selection.reason, until=until)


def replay_letters() -> Response:
    """Ask a worker to replay the letters of a reason that the person was told of, and no later ones."""
    until = time_parameter("until")
    if until is None:
        return problem(HTTPStatus.BAD_REQUEST)
    return ask_for_replay(LetterSelection(reason=reason_parameter(), received_until=until))


def replay_letter() -> Response:
    """Ask a worker to replay one letter."""
    digest = parameter("digest")
    with stores().reader.connect() as connection:
        if not is_letter(connection, digest):
            return problem(HTTPStatus.NOT_FOUND)
    return ask_for_replay(LetterSelection(digests=(digest,)))


def ask_for_replay(selection: LetterSelection) -> Response:
    now, by = datetime.now(UTC), account().name
    with stores().writer.begin() as connection:
        count = count_letters(connection, selection, at_most=COUNTED_MAX)
        total = count if count < COUNTED_MAX else None
        task_id = add_task(connection, KIND, by=by, parameters=parameters_of(selection), now=now, steps_total=total)
        note(connection, by, Action.DEAD_LETTERS_REPLAYED, now, task_id)
    return redirect_with(_("A worker does it now. This page shows how far it is."), "task", id=task_id)


def resolve_letter() -> Response:
    """Put a letter aside, because the person who is signed in decided so."""
    digest, now = parameter("digest"), datetime.now(UTC)
    with stores().writer.begin() as connection:
        if not resolve(connection, LetterSelection(digests=(digest,)), now=now):
            return problem(HTTPStatus.NOT_FOUND)
        note(connection, account().name, Action.DEAD_LETTER_RESOLVED, now, digest)
    return redirect_with(_("Put aside. It stays in the table, and can be replayed."), "dead_letters")


def is_letter(connection: Connection, digest: str) -> bool:
    return connection.execute(select(DEAD_LETTERS.c.digest).where(DEAD_LETTERS.c.digest == digest)).first() is not None


def reason_name(reason: str) -> Markup | str:
    """Return the name of a reason: in English the one that commands take."""
    return _(reason) if reason in REASONS else visible(reason)


def reason_parameter() -> str | None:
    """Return the reason of the address or the form; None for any, also for one that does not exist."""
    name = parameter("reason")
    return name if name in set(Reason) else None


def state_parameter() -> State:
    name = parameter("state")
    return State(name) if name in set(State) else State.UNRESOLVED


def time_parameter(name: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(parameter(name))
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None
