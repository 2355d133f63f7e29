"""gunicorn's configuration, and the checks before it listens. Used as `--config python:receiver.gunicorn_config`."""

import os
import sys
from http import HTTPStatus
from typing import Any

from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.schema import SchemaError, require_head
from receiver.settings import ReceiverSettings, read_bind, read_concurrency
from sync.environment import SettingError
from sync.logs import configure_logs

WRONG_USE = 2


def _checked() -> tuple[str, int]:
    try:
        ReceiverSettings.read(os.environ)
        return read_bind(os.environ), read_concurrency(os.environ)
    except SettingError as error:
        print(f"zexa-sync: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(WRONG_USE)


bind, workers = _checked()
worker_class = "gevent"
logger_class = "receiver.access_log.Logger"
accesslog = "-"
control_socket_disable = True
# Routers keep idle connections for 90 s; if we closed first, a delivery could meet a closing connection.
keepalive = 95
# The host kills after 30 s.
graceful_timeout = 25
# No header of a client's changes how its path is read; with gunicorn's default one could provoke a 500.
forwarded_allow_ips = ""
forwarder_headers = ""


def on_starting(server: Any) -> None:
    """Refuse a schema this code was not written for. A database that is away is no reason: deliveries go
    to Redis."""
    configure_logs()
    engine = open_database(ReceiverSettings.read(os.environ).database_url, pool_size=1, is_read_only=True)
    try:
        require_head(engine)
    except SchemaError as error:
        print(f"zexa-sync: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except DBAPIError:
        server.log.warning("the database is away; its schema could not be checked")
    finally:
        engine.dispose()


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001
    configure_logs()


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:  # noqa: ARG001
    """Close the connection of a body that was refused unread, instead of reading the rest of it."""
    if getattr(resp, "status_code", None) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        req.force_close()
