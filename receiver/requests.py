"""What is known of a request from outside its body: the one path we serve, and the id a router gave it."""

import re
from typing import Any

PATH = "/webhooks/zexa"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id(environ: dict[str, Any]) -> str | None:
    """Return the X-Request-Id of a WSGI request, unless it is no plain id: it goes into logs."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None
