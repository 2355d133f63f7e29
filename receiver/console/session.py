"""Who is signed in: a signed cookie that ends, and the account behind it, read anew for every page.

A session ends after a working day, or two hours without a page. It ends at once if the person signs out anywhere, sets
a password, is disabled or removed.
"""

import hmac
import secrets
from datetime import UTC, datetime, timedelta

from flask import Flask, g, request, session
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import Engine

from sync.users.accounts import Account, find_account

COOKIE = "zexa_console"
ENDS_AFTER = timedelta(hours=12)
IDLE_MAX = timedelta(hours=2)
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
FORM_TOKEN = "form_token"  # noqa: S105 - the name of a field


class ConsoleSessions(SecureCookieSessionInterface):
    """Flask's signed cookie, for the console's paths only. It goes over TLS only, unless this machine is asked."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
        return host not in LOOPBACK


def prepare_sessions(app: Flask, key: bytes) -> None:
    app.secret_key = key
    app.session_interface = ConsoleSessions()
    app.config.update(
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_PATH="/console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=IDLE_MAX,
    )


def begin_session(account: Account) -> None:
    """Let `account` be signed in from now on, with nothing of an earlier session but the language."""
    language = session.get("language")
    session.clear()
    session.permanent = True
    session["name"] = account.name
    session["generation"] = account.session_generation
    session["begun_at"] = datetime.now(UTC).timestamp()
    if language:
        session["language"] = language


def end_session() -> None:
    session.clear()


def load_account(engine: Engine) -> Account | None:
    """Return who is signed in, None if nobody is, or not any more. Errors of the database pass through."""
    name, begun_at = session.get("name"), session.get("begun_at")
    if not isinstance(name, str) or not isinstance(begun_at, float):
        return None
    if datetime.now(UTC) - datetime.fromtimestamp(begun_at, UTC) > ENDS_AFTER:
        return None
    with engine.connect() as connection:
        account = find_account(connection, name)
    if account is None or account.is_disabled or account.session_generation != session.get("generation"):
        return None
    return account


def form_token() -> str:
    """Return the token of the forms of this session, making it on first use."""
    token: str | None = session.get(FORM_TOKEN)
    if token is None:
        token = session[FORM_TOKEN] = secrets.token_urlsafe(24)
    return token


def has_form_token() -> bool:
    """Return whether the form that was sent is one of this session's."""
    token = session.get(FORM_TOKEN)
    return isinstance(token, str) and hmac.compare_digest(token.encode(), request.form.get(FORM_TOKEN, "").encode())


def account() -> Account:
    """Return who is signed in, on a page that nobody else sees."""
    signed_in: Account = g.account
    return signed_in


def may_see_addresses() -> bool:
    return account().may_act
