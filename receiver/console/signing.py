"""Signing in and out: with a password, or with a link that works once."""

from datetime import UTC, datetime
from http import HTTPStatus
from ipaddress import ip_address

from flask import Response, g, make_response, redirect, request, url_for

from receiver.console.language import _
from receiver.console.pages import Pages, parameter, redirect_with, rendered, stores
from receiver.console.session import account, begin_session, end_session
from receiver.server.paths import forwarded_for
from sync.users import sign_in as signing_in
from sync.users.accounts import LinkKind, end_sessions, find_account, find_link, note_sign_in, set_password
from sync.users.accounts import use_link as take_link
from sync.users.audit import Action, note
from sync.users.passwords import CHARACTERS_MAX, CHARACTERS_MIN, is_long_enough


def add_pages(pages: Pages) -> None:
    pages.page("/login", login)
    pages.page("/login", sign_in, method="POST")
    pages.page("/logout", sign_out, method="POST")
    pages.page("/link/<secret>", link)
    pages.page("/link/<secret>", use_link, method="POST")


def login() -> Response:
    if g.account is not None:
        return make_response(redirect(url_for("console.overview")))
    return rendered("login.html")


def sign_in() -> Response:
    name, password = parameter("name"), request.form.get("password", "")
    result = signing_in.sign_in(stores().writer, name, password, client(), datetime.now(UTC))
    if result.account is not None:
        begin_session(result.account)
        return make_response(redirect(url_for("console.overview"), HTTPStatus.SEE_OTHER))
    if result.wait_seconds:
        response = rendered("login.html", HTTPStatus.TOO_MANY_REQUESTS, name=name, wait_seconds=result.wait_seconds)
        response.headers["Retry-After"] = str(result.wait_seconds)
        return response
    return rendered("login.html", HTTPStatus.FORBIDDEN, name=name, is_wrong=True)


def client() -> str:
    """Return whom a request came from: the peer, or whom a router of our own network says that it came for."""
    peer = request.remote_addr or ""
    forwarded = forwarded_for(request.headers.get("X-Forwarded-For"))
    try:
        is_router = ip_address(peer).is_private
    except ValueError:
        is_router = True  # a Unix socket
    return forwarded if forwarded and is_router else peer


def sign_out() -> Response:
    """End every session of this person, wherever it was begun: whoever took the cookie is out too."""
    now = datetime.now(UTC)
    with stores().writer.begin() as connection:
        end_sessions(connection, account().name)
        note(connection, account().name, Action.SIGNED_OUT, now)
    end_session()
    return redirect_with(_("You are signed out, on every device."), "login")


def link(secret: str) -> Response:
    """Show what a link is for. Nothing happens before somebody presses the button: programs follow links too."""
    with stores().reader.connect() as connection:
        owner_and_kind = find_link(connection, secret, datetime.now(UTC))
    if owner_and_kind is None:
        return rendered("link.html", HTTPStatus.NOT_FOUND, owner=None)
    owner, kind = owner_and_kind
    return rendered("link.html", owner=owner, kind=kind, least=CHARACTERS_MIN)


def use_link(secret: str) -> Response:
    now, password = datetime.now(UTC), request.form.get("password", "")
    with stores().writer.begin() as connection:
        owner_and_kind = find_link(connection, secret, now)
        if owner_and_kind is None:
            return rendered("link.html", HTTPStatus.NOT_FOUND, owner=None)
        owner, kind = owner_and_kind
        if kind is LinkKind.PASSWORD and not is_long_enough(password):
            values = {"owner": owner, "kind": kind, "least": CHARACTERS_MIN, "most": CHARACTERS_MAX}
            return rendered("link.html", HTTPStatus.UNPROCESSABLE_ENTITY, is_short=True, **values)
        if take_link(connection, secret, now) is None:
            return rendered("link.html", HTTPStatus.NOT_FOUND, owner=None)
        if kind is LinkKind.PASSWORD:
            set_password(connection, owner.name, password)
            owner = find_account(connection, owner.name) or owner  # of the generation that this begins
            note(connection, owner.name, Action.PASSWORD_SET, now)
        note_sign_in(connection, owner.name, now)
        note(connection, owner.name, Action.SIGNED_IN, now)
    begin_session(owner)
    return make_response(redirect(url_for("console.overview"), HTTPStatus.SEE_OTHER))
