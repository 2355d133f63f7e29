"""gunicorn's configuration, and the checks before it listens. Used as `--config python:receiver.gunicorn_config`."""

import gc
import os
import signal
import sys
import time
from typing import Any, NoReturn

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import error_line, is_misconfigured
from models.forget_keys import require_forget_keys
from models.refusals import ForgetKeyMissing, SchemaBehind, SchemaError
from models.schema import SCHEMA_PAUSE_SECONDS, SCHEMA_SECONDS, require_head
from receiver.server.rooms import IDLE_SECONDS
from sync import __version__
from sync.settings.environment import SettingError
from sync.settings.listening import read_bind, read_concurrency
from sync.settings.log_lines import configure_logs, get_logger
from sync.settings.sentry import read_sentry_dsn
from sync.settings.sentry_client import start_sentry
from sync.settings.web import ReceiverSettings

WRONG_USE = 2
log = get_logger()


def _checked() -> tuple[str, int]:
    try:
        ReceiverSettings.read(os.environ)
        return read_bind(os.environ), read_concurrency(os.environ)
    except SettingError as error:
        print(f"zexa-sync: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(WRONG_USE)


bind, workers = _checked()
worker_class = "receiver.server.worker.Worker"
logger_class = "receiver.server.access_log.Logger"
control_socket_disable = True
# Set for completeness: the bounds of connections are those of `receiver.server`.
keepalive = int(IDLE_SECONDS)
# The host kills after 30 s; the longest answer takes 14 s, and idle connections need not be waited for.
graceful_timeout = 15


def on_starting(server: Any) -> None:
    """Refuse a schema that this code cannot run on; one that is behind is waited for, as it may be migrated just now.

    Refuse to run without a key that the hashes of forgotten people need: a look-up would take them for strangers.

    A database that is away is no reason: deliveries go to Redis.
    """
    # gunicorn's own handlers come later; until then a signal ends the master and what it waits for without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    configure_logs()
    settings = ReceiverSettings.read(os.environ)
    engine = open_database(settings.database_url, pool_size=1, is_read_only=True)
    try:
        if _require_schema(engine, server):
            require_forget_keys(engine, {key.key_id for key in settings.forget_keys})
    except ForgetKeyMissing as error:
        _end(str(error))
    except DBAPIError as error:
        server.log.warning("the database is away; its keys could not be checked: %s", error_line(error))
    finally:
        engine.dispose()


def _require_schema(engine: Engine, server: Any) -> bool:
    """Return whether the schema fits; False if the database is away."""
    deadline = time.monotonic() + SCHEMA_SECONDS
    is_awaited = False
    while True:
        try:
            require_head(engine)
            return True
        except SchemaError as error:
            if not isinstance(error, SchemaBehind) or time.monotonic() > deadline:
                _end(str(error))
            if not is_awaited:
                log.warning("schema.awaited", reason=str(error), seconds=SCHEMA_SECONDS)
            is_awaited = True
        except DBAPIError as error:
            if is_misconfigured(error):
                _end(f"the database of DATABASE_URL cannot be used: {error_line(error)}")
            server.log.warning("the database is away; its schema could not be checked: %s", error_line(error))
            return False
        time.sleep(SCHEMA_PAUSE_SECONDS)


def _end(line: str) -> NoReturn:
    print(f"zexa-sync: {line}", file=sys.stderr, flush=True)  # noqa: T201
    sys.exit(1)


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001
    configure_logs()
    start_sentry(read_sentry_dsn(os.environ), __version__)


def post_worker_init(worker: Any) -> None:
    """Keep what is loaded by now out of the search for garbage, which holds up every delivery while it lasts."""
    gc.freeze()
    if hasattr(worker.wsgi, "start"):
        worker.wsgi.start()
