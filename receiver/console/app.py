"""Puts the console together: one blueprint of Flask's, who may ask for what, and what every answer carries."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, g, make_response, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from models.refusals import ForgetKeyMissing
from receiver.console import (
    campaigns,
    dead_letters,
    failures,
    findings,
    health,
    language,
    listing,
    lists,
    messages,
    opt_outs,
    outages,
    overview,
    person,
    session,
    signing,
    tasks,
)
from receiver.console.addresses import shown_address, shown_text
from receiver.console.list_words import sentence_text
from receiver.console.pages import STORES, Pages, problem, stores
from receiver.console.stores import Stores, begin_page
from receiver.console.uploads import BODY_BYTES_MAX as UPLOAD_BYTES_MAX
from receiver.console.uploads import NO_ROOM
from receiver.server.paths import CONSOLE_PATH, kept_request_id
from receiver.server.wsgi import BODY_PROBLEM
from sync.events.raw import BODY_BYTES_MAX
from sync.rollups.recount import stored_timezone
from sync.settings.sentry_client import report

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Addresses of pages stay within the console, and go to no other site.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
STATIC_SECONDS = 3600
# What somebody may ask for who is not signed in.
EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPEN = frozenset({"console.static", "console.login", "console.sign_in", "console.link", "console.use_link"})

PARTS = (
    signing.add_pages,
    overview.add_pages,
    messages.add_pages,
    person.add_pages,
    opt_outs.add_pages,
    lists.add_pages,
    campaigns.add_pages,
    dead_letters.add_pages,
    failures.add_pages,
    health.add_pages,
    outages.add_pages,
    tasks.add_pages,
)

log = structlog.get_logger()


def add_console(app: Flask, key: bytes, opened: Stores) -> None:
    """Let `app` answer under /console/. `key` signs its sessions."""
    session.prepare_sessions(app, key)
    blueprint = Blueprint(
        "console",
        __name__,
        url_prefix=CONSOLE_PATH.rstrip("/"),
        static_folder="static",
        static_url_path="/static",
        template_folder="templates",
    )
    pages = Pages(blueprint)
    for add in PARTS:
        add(pages)
    # Or what is not there would be answered by an application that knows nothing of people.
    for path in ("", "/<path:rest>"):
        blueprint.add_url_rule(path, "nothing", nothing, methods=EVERY_METHOD, provide_automatic_options=False)
    app.extensions[STORES] = opened
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    blueprint.before_request(lambda: _admit(pages))
    blueprint.context_processor(_words)
    for name, show in _FILTERS.items():
        blueprint.add_app_template_filter(show, name)
    for error, answer in (
        (HTTPException, _refused),
        (SQLAlchemyError, _unanswered),
        (ForgetKeyMissing, _keyless),
        (Exception, _failed),
    ):
        blueprint.register_error_handler(error, answer)
    app.after_request(_with_headers)
    app.register_blueprint(blueprint)


def _admit(pages: Pages) -> Response | None:
    """Look who asks, and return a refusal unless they may."""
    begin_page()
    # Of a list only the file may be long, which is not held: fields in another form would be, all of them.
    is_list = request.endpoint == lists.UPLOAD and request.mimetype == "multipart/form-data"
    request.max_content_length = UPLOAD_BYTES_MAX if is_list else BODY_BYTES_MAX
    language.choose_language()
    g.account = None
    if request.endpoint == "console.static":
        return None
    g.account = session.load_account(stores().reader)
    is_open = request.endpoint in OPEN
    if g.account is None and not is_open:
        if request.method in ("GET", "HEAD"):
            return make_response(redirect(url_for("console.login")))
        return problem(HTTPStatus.UNAUTHORIZED)
    if (refusal := _refusal(pages)) is not None:
        return refusal
    if g.account is not None:
        with stores().reader.connect() as connection:
            g.timezone = stored_timezone(connection) or "UTC"
    return None


def _refusal(pages: Pages) -> Response | None:
    """Refuse what its sender may not do, before the form is read, and a form that is none of this session's."""
    if request.endpoint in pages.acting and not session.account().may_act:
        return problem(HTTPStatus.FORBIDDEN, "role")
    if untaken := request.environ.get(BODY_PROBLEM):
        return lists.untaken(untaken)
    try:
        is_ours = request.method != "POST" or session.has_form_token()
    except OSError:  # what is long in a form is kept on the disk while it is read
        return lists.untaken(NO_ROOM)
    return None if is_ours else problem(HTTPStatus.FORBIDDEN, "form")


def may_upload(app: Flask, environ: dict[str, Any]) -> bool:
    """Return whether a request is an operator's, before anything of its body is read."""
    with app.request_context(environ):
        begin_page()
        try:
            account = session.load_account(stores().reader)
        except SQLAlchemyError:
            return False  # the page says so
        return account is not None and account.may_act


def nothing(rest: str | None = None) -> Response:
    """Answer what is no page: without its last slash the overview is meant."""
    if rest is None and request.method in ("GET", "HEAD"):
        return make_response(redirect(url_for("console.overview")))
    return problem(HTTPStatus.NOT_FOUND)


def _refused(error: HTTPException) -> Response:
    response = problem(HTTPStatus(error.code or HTTPStatus.BAD_REQUEST))
    if valid := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(valid))
    return response


def _unanswered(error: Exception) -> Response:
    log.error("console.unanswered", error=type(getattr(error, "orig", None) or error).__name__, request_id=_id())
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "database")


def _keyless(_error: Exception) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "forget")


def _failed(error: Exception) -> Response:
    # A mistake of ours. Its text may quote a person, so only its kind is logged.
    log.error("console.failed", error=type(error).__name__, request_id=_id())
    report("console.failed", type(error).__name__, error)
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "mistake")


def _id() -> str:
    return kept_request_id(request.environ, request.headers.get("X-Request-Id"))


def _with_headers(response: Response) -> Response:
    if request.path.startswith(CONSOLE_PATH.rstrip("/")):
        response.headers.update(HEADERS)
        is_static = request.endpoint == "console.static"
        response.headers["Cache-Control"] = f"public, max-age={STATIC_SECONDS}" if is_static else "no-store"
    return response


def body_text(body: bytes) -> str:
    return bytes(body).decode("utf-8", "backslashreplace")


def _words() -> dict[str, Any]:
    return {
        "_": language._,
        "counted": language.counted,
        "of_many": language.of_many,
        "ends_text": language.ends_text,
        "form_token": session.form_token,
        "language": language.language(),
        "languages": language.switch_links(),
        "account": g.get("account"),
        "may_act": bool(g.get("account") and g.account.may_act),
        "timezone": g.get("timezone") or "UTC",
        "now": datetime.now(language.zone()),
        "rows_link": listing.rows_link,
    }


_FILTERS: dict[str, Callable[..., Any]] = {
    "number": language.number_text,
    "share": language.share_text,
    "duration": language.duration_text,
    "time": language.time_of,
    "day": language.day_text,
    "full_day": language.full_day_text,
    "step": language.step_text,
    "value": language.shown_value,
    "address": shown_address,
    "free_text": shown_text,
    "letter_reason": dead_letters.reason_name,
    "letter_error": dead_letters.error_text,
    "check_name": findings.name_text,
    "found": findings.found_text,
    "page_of": findings.page_of,
    "remedy": findings.remedy_text,
    "event": language.event_text,
    "action": language.action_text,
    "reason": language.reason_text,
    "body": body_text,
    "of_file": sentence_text,
    "task_kind": tasks.kind_text,
    "task_state": tasks.state_text,
}
