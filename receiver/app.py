"""The Flask application of the web process: health, readiness, and the webhook and look-ups around it."""

import os
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from receiver.inbox import Inbox
from receiver.intake import Intake
from receiver.readiness import Readiness
from receiver.settings import ReceiverSettings
from receiver.webhook import Webhook


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

    @app.get("/healthz", provide_automatic_options=False)
    def healthz() -> Response:
        return Response(status=200)

    @app.get("/readyz", provide_automatic_options=False)
    def readyz() -> tuple[Response, int]:
        usable = readiness.look()
        return jsonify(usable), 200 if all(usable.values()) else 503

    @app.errorhandler(HTTPException)
    def bare(error: HTTPException) -> Response:
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
