"""What is known of a request from outside its body: the paths we serve, and the id a router gave it."""

import re
from typing import Any

PATH = "/webhooks/zexa"
# Served only where look-ups are on.
CHECK_PATH = "/v1/suppressions/check"
OPENAPI_PATH = "/v1/openapi.json"
METRICS_PATH = "/metrics"

_REQUEST_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def request_id(environ: dict[str, Any]) -> str | None:
    """Return the X-Request-Id of a WSGI request if it is a UUID: it goes into logs, and may be a client's."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None
