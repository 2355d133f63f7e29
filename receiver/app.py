"""The Flask application of the web process: health, readiness, and the webhook and look-ups around it."""

import os
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from receiver.inbox import Inbox
from receiver.intake import Intake
from receiver.readiness import Readiness
from receiver.requests import HEALTH_PATH, HOME_PATH, LOOKUP_PATHS, PATH, READY_PATH, nearest_path, shown_path
from receiver.settings import ReceiverSettings
from receiver.webhook import Webhook

TEXT_TYPE = "text/plain; charset=utf-8"
HOME = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>zexa-sync</title>
<h1>zexa-sync is running</h1>
<p>It takes the delivery events of Zexa by webhook and keeps them in a database.</p>
<p>Zexa delivers to <code>POST {PATH}</code>. <a href="{READY_PATH}">{READY_PATH}</a> says whether Redis and the
database are usable.</p>
"""
HOME_HEADERS = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}


def create_app(settings: ReceiverSettings | None = None) -> Flask:
    """Return the web application; settings come from the environment unless given.

    Raises SettingError. Connects to nothing: the process serves while Redis or the database is away.
    """
    settings = settings or ReceiverSettings.read(os.environ)
    app = Flask(__name__, static_folder=None)
    # Every answer is one of the documented ones: no redirects from doubled or trailing slashes.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    intake = Intake(
        settings.redis,
        Inbox(settings.database_url),
        is_journalled=settings.is_journalled,
        failures_may_opt_out=settings.failures_may_opt_out,
    )
    readiness = Readiness(intake.redis, settings.database_url)

    @app.get(HOME_PATH, provide_automatic_options=False, strict_slashes=False)  # "" is "/", without a redirect
    def home() -> Response:
        return Response(HOME, content_type="text/html; charset=utf-8", headers=HOME_HEADERS)

    @app.get(HEALTH_PATH, provide_automatic_options=False)
    def healthz() -> Response:
        return Response(status=200)

    @app.get(READY_PATH, provide_automatic_options=False)
    def readyz() -> tuple[Response, int]:
        usable = readiness.look()
        return jsonify(usable), 200 if all(usable.values()) else 503

    @app.errorhandler(HTTPException)
    def bare(error: HTTPException) -> Response:
        if error.code == HTTPStatus.NOT_FOUND:
            return Response(not_found_text(request.environ.get("PATH_INFO", "")), error.code, content_type=TEXT_TYPE)
        return Response(status=error.code, headers=_allow(error))

    if settings.lookup:
        # Loads what is known of phone numbers, which nothing else of this process needs.
        from receiver.lookup_api import LookupApi, open_lookups  # noqa: PLC0415

        lookups = open_lookups(settings, settings.lookup, deliveries=lambda: intake.deliveries)
        app.wsgi_app = LookupApi(app.wsgi_app, lookups, tokens=settings.lookup.tokens)  # type: ignore[method-assign]
    app.wsgi_app = Webhook(app.wsgi_app, secrets=settings.secrets, store=intake.store)  # type: ignore[method-assign]
    return app


def _allow(error: HTTPException) -> dict[str, str]:
    methods: Any = getattr(error, "valid_methods", None)
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


def not_found_text(path: str) -> str:
    """Return which path was asked for, and which one may be meant."""
    nearest = nearest_path(path)
    if path in LOOKUP_PATHS:
        meant = f"{path} answers only if ZEXA_LOOKUP_TOKEN is set."
    elif nearest == PATH:
        meant = f"Deliveries go to POST {PATH}."
    else:
        meant = f"Did you mean {nearest}? Deliveries go to POST {PATH}."
    return f"There is nothing at {shown_path(path)}. {meant}\n"
