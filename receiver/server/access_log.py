"""The log lines of requests and of gunicorn: JSON unless a person is watching, and nothing that a client chose freely.

A request has a line unless it is a delivery that was accepted in time.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from gunicorn import glogging

from receiver.server.asgi import Scope, header
from receiver.server.paths import DELIVERY_PATHS, kept_request_id, logged_path

# An accepted delivery has a line only if its answer took this long. Thousands of lines a second, all saying that all
# is well, cost a tenth of the process's time. What was refused, and every other request, always has one.
SLOW_SECONDS = 1.0
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Made by hand, because one line a request costs as much as verifying it if a logger makes it. Every value is ours, of
# a fixed form or escaped already, so none needs escaping here.
JSON_LINE = (
    '{"event": "request", "level": "info", "timestamp": "%s", "method": "%s", "path": "%s", "status": %s, '
    '"milliseconds": %.1f, "request_id": "%s"}\n'
)
# The same for a person who watches.
_READABLE = "%s [info     ] request method=%s path=%s status=%s milliseconds=%.1f request_id=%s\n"


def log_request(scope: Scope, status: int, seconds: float) -> None:
    """Write the line of a request that was answered, if it has one."""
    if status == 200 and seconds < SLOW_SECONDS and scope["path"] in DELIVERY_PATHS:
        return
    line = (_READABLE if sys.stdout.isatty() else JSON_LINE) % (
        datetime.now(UTC).isoformat(),
        scope["method"] if scope["method"] in METHODS else "other",
        logged_path(wsgi_path(scope)),
        status,
        seconds * 1000,
        kept_request_id(scope, header(scope["headers"], b"x-request-id")),
    )
    sys.stdout.write(line)
    sys.stdout.flush()


def wsgi_path(scope: Scope) -> str:
    """Return the path of a request as WSGI has it: its bytes, unescaped, each as one character."""
    raw_path = scope.get("raw_path")
    return unquote_to_bytes(raw_path if raw_path is not None else scope["path"]).decode("latin-1")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "process": record.process,
        }
        if record.exc_info:
            line["error"] = getattr(record.exc_info[0], "__name__", None)
        return json.dumps(line)


class Logger(glogging.Logger):  # type: ignore[misc]
    """Keeps quotations out of gunicorn's error log."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        if not sys.stderr.isatty():
            for handler in self.error_log.handlers:
                handler.setFormatter(JsonFormatter())

    def exception(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        # gunicorn quotes the request's URI, and a traceback may quote more: the kind of error must do.
        kind = sys.exc_info()[0]
        self.error_log.error("%s (%s)", msg.split("%", 1)[0].strip(), kind.__name__ if kind else "no error")
