"""What is known of a request from outside its body: the paths we serve, its id, and where it came from."""

import os
import re
from collections.abc import MutableMapping
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

DELIVERY_PATH = "/webhooks/zexa"
DELIVERY_PATHS = frozenset({DELIVERY_PATH, f"{DELIVERY_PATH}/"})
HOME_PATH = "/"
HEALTH_PATH = "/healthz"
READY_PATH = "/readyz"
# Served only if look-ups are on.
CHECK_PATH = "/v1/suppressions/check"
OPENAPI_PATH = "/v1/openapi.json"
METRICS_PATH = "/metrics"
LOOKUP_PATHS = frozenset({CHECK_PATH, OPENAPI_PATH, METRICS_PATH})
# Served only if the console is on.
CONSOLE_PATH = "/console/"
# Takes bodies that are longer, and may take longer, than any other.
UPLOAD_PATH = "/console/lists"
CONSOLE_PARTS = frozenset(
    {
        *(
            "",
            "login",
            "logout",
            "link",
            "static",
            "console.css",
            "icon.svg",
            "day",
            "messages",
            "message",
            "person",
            "opt-outs",
        ),
        *("evidence", "add", "remove", "campaigns", "campaign", "failures", "dead-letters", "dead-letter", "resolve"),
        *("health", "log", "lists", "list", "confirm", "cancel", "download"),
    }
)
KNOWN_PATHS = frozenset({*DELIVERY_PATHS, HOME_PATH, HEALTH_PATH, READY_PATH, *LOOKUP_PATHS})

SHOWN_CHARACTERS_MAX = 80
# A longer part of a path may be a secret, and more digits than these a phone number.
LOGGED_PART_CHARACTERS_MAX = 24
LOGGED_DIGITS_MAX = 4

# A UUID, hexadecimal digits as nginx makes them, or a ULID. Anything else may be a client's, and a phone number.
_REQUEST_ID = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{20,64}|[0-7][0-9A-HJKMNP-TV-Z]{25}"
)
_REQUEST_ID_KEY = "zexa.request_id"


def request_id(text: str | None) -> str:
    """Return `text`, of X-Request-Id, if a router may have made it, else an id of our own."""
    return text if text and _REQUEST_ID.fullmatch(text) else os.urandom(10).hex()


def kept_request_id(request: MutableMapping[str, Any], text: str | None) -> str:
    """Return the id of a request, an ASGI scope or a WSGI environment, which keeps the id that it got first."""
    kept_id: str | None = request.get(_REQUEST_ID_KEY)
    if kept_id is None:
        kept_id = request[_REQUEST_ID_KEY] = request_id(text)
    return kept_id


def forwarded_for(text: str | None) -> str | None:
    """Return the last address of X-Forwarded-For, which the nearest router added; None if it is none."""
    try:
        return str(ip_address((text or "").rpartition(",")[2].strip()))
    except ValueError:
        return None


def shown_path(path: str) -> str:
    """Return the path of a WSGI request as its client may read it again: in ASCII, escaped and cut."""
    text = quote(path.encode("latin-1", "replace"))
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}..."


def logged_path(path: str) -> str:
    """Return the path of a WSGI request for a log: a known one as it is, of any other only what gives nobody away.

    A mistaken client may put anything there. Parts that may hold an address or a secret are three dots.
    """
    if path in KNOWN_PATHS:
        return path
    if path.startswith(CONSOLE_PATH):
        parts = path.removeprefix(CONSOLE_PATH).split("/")
        return (
            CONSOLE_PATH + "/".join(part if part in CONSOLE_PARTS else "..." for part in parts)[:SHOWN_CHARACTERS_MAX]
        )
    text = path.encode("latin-1", "replace").decode("utf-8", "replace")
    may_be_number = sum(map(str.isdigit, text)) > LOGGED_DIGITS_MAX
    return shown_path("/".join(_logged_part(part, may_be_number) for part in text.split("/")))


def _logged_part(part: str, may_be_number: bool) -> str:
    has_address = not part.isascii() or "@" in part or (may_be_number and any(map(str.isdigit, part)))
    return "..." if has_address or len(part) > LOGGED_PART_CHARACTERS_MAX else part


def nearest_path(path: str) -> str:
    """Return the path of ours that a request for `path`, which is none, may have meant."""
    paths = sorted({DELIVERY_PATH, HEALTH_PATH, READY_PATH, *LOOKUP_PATHS})
    nearest = get_close_matches(path[:SHOWN_CHARACTERS_MAX].lower(), paths, n=1)
    return nearest[0] if nearest else DELIVERY_PATH
