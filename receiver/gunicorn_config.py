"""gunicorn's configuration, and the checks before it listens. Used as `--config python:receiver.gunicorn_config`."""

import gc
import os
import signal
import sys
import time
from typing import Any

import gevent
import structlog
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import error_line, is_misconfigured
from models.schema import SCHEMA_PAUSE_SECONDS, SCHEMA_SECONDS, SchemaBehind, SchemaError, require_head
from receiver.requests import CHECK_PATH, DELIVERY_PATHS
from receiver.settings import ReceiverSettings, read_bind, read_concurrency
from sync.environment import SettingError
from sync.logs import configure_logs
from sync.raw_events import BODY_BYTES_MAX

WRONG_USE = 2
log = structlog.get_logger()
# Where a body of up to BODY_BYTES_MAX is read to its end.
READ_TO_THE_END = frozenset(("POST", path) for path in (*DELIVERY_PATHS, CHECK_PATH))


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
# The host kills after 30 s; the longest answer takes 14 s, and idle connections need not be waited for.
graceful_timeout = 15
# Each may hold an unfinished body of 256 KiB.
worker_connections = 400
# No header of a client's changes how its path is read; with gunicorn's default one could provoke a 500.
forwarded_allow_ips = ""
forwarder_headers = ""


def on_starting(server: Any) -> None:
    """Refuse a schema that this code cannot run on; one that is behind is waited for, as it may be migrated just now.

    A database that is away is no reason: deliveries go to Redis. Asked in a process of its own: psycopg settles how it
    waits when it is first imported, and had the master imported it before gevent changes the workers, one wait for
    PostgreSQL would stop every connection.
    """
    # gunicorn's own handlers come later; until then a signal ends the master and what it waits for without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    master = os.getpid()
    checker = os.fork()
    if not checker:
        status = 1
        try:
            status = _schema_status(server, master)
        finally:
            os._exit(status)
    _, status = os.waitpid(checker, 0)
    if status:
        sys.exit(1)


def _schema_status(server: Any, master: int) -> int:
    configure_logs()
    engine = open_database(ReceiverSettings.read(os.environ).database_url, pool_size=1, is_read_only=True)
    deadline = time.monotonic() + SCHEMA_SECONDS
    is_awaited = False
    while os.getppid() == master:
        try:
            require_head(engine)
            return 0
        except SchemaError as error:
            if not isinstance(error, SchemaBehind) or time.monotonic() > deadline:
                print(f"zexa-sync: {error}", file=sys.stderr, flush=True)  # noqa: T201
                return 1
            if not is_awaited:
                log.warning("schema.awaited", reason=str(error), seconds=SCHEMA_SECONDS)
            is_awaited = True
        except DBAPIError as error:
            if is_misconfigured(error):
                line = f"the database of DATABASE_URL cannot be used: {error_line(error)}"
                print(f"zexa-sync: {line}", file=sys.stderr, flush=True)  # noqa: T201
                return 1
            server.log.warning("the database is away; its schema could not be checked: %s", error_line(error))
            return 0
        time.sleep(SCHEMA_PAUSE_SECONDS)
    return 1


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001
    configure_logs()


def post_worker_init(worker: Any) -> None:  # noqa: ARG001
    """Keep what is loaded by now out of the search for garbage, which holds up every delivery while it lasts."""
    gc.freeze()


def worker_int(worker: Any) -> None:  # noqa: ARG001
    """End at once after Ctrl-C. gunicorn would raise SystemExit, of which gevent prints a traceback."""
    os._exit(0)


def pre_request(worker: Any, req: Any) -> None:  # noqa: ARG001
    """Give other connections their turn, and close this one after a body that nobody reads to its end.

    A client that never pauses would otherwise keep its process from everybody else, until gunicorn kills it.
    """
    gevent.sleep(0)
    if not _has_bounded_body(req):
        req.force_close()


def _has_bounded_body(req: Any) -> bool:
    allowed = BODY_BYTES_MAX if (req.method, req.path) in READ_TO_THE_END else 0
    for name, value in req.headers:
        if name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and int(value) > allowed):
            return False
    return True
