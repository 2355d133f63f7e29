"""gunicorn's log lines: JSON unless a person is watching, and nothing in them that a client chose freely."""

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from gunicorn import glogging

from receiver.requests import DELIVERY_PATHS, logged_path, request_id

# An accepted delivery has a line only if its answer took this long: thousands a second, all saying that all is well,
# cost a tenth of the process's time. What was refused, and every other request, always has one.
SLOW = timedelta(seconds=1)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Made by hand, because one line a request costs as much as verifying it if a logger makes it. Every value is ours, of
# a fixed form or escaped already, so none needs escaping here.
_LINE = (
    '{"event": "request", "timestamp": "%s", "method": "%s", "path": "%s", "status": %s, "milliseconds": %.1f, '
    '"request_id": %s}\n'
)


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
    """Writes one line per request but for deliveries accepted in time, and keeps quotations out of the error log."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        if not sys.stderr.isatty():
            for handler in self.error_log.handlers:
                handler.setFormatter(JsonFormatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:  # noqa: ARG002
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD")
        if path in DELIVERY_PATHS and resp.status.startswith("200") and request_time < SLOW:
            return
        given_id = request_id(environ)
        line = _LINE % (
            datetime.now(UTC).isoformat(),
            method if method in METHODS else "other",
            logged_path(path),
            resp.status[:3],
            request_time.total_seconds() * 1000,
            f'"{given_id}"' if given_id else "null",
        )
        sys.stdout.write(line)
        sys.stdout.flush()

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        # "Invalid request from ip=…: …" quotes what could not be parsed.
        if msg.startswith("Invalid request"):
            msg, args = "a request that is not HTTP was refused", ()
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *_args: Any, **_kwargs: Any) -> None:
        # gunicorn quotes the request's URI, and a traceback may quote more: the kind of error must do.
        kind = sys.exc_info()[0]
        self.error_log.error("%s (%s)", msg.split("%", 1)[0].strip(), kind.__name__ if kind else "no error")
