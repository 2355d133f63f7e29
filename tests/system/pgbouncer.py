"""Debian's PgBouncer in transaction mode, with the worst neighbours: we find what they SET for their sessions."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL

from sync.devtools.dev.embedded import free_port, stop
from tests.support.processes import wait_for

# What others of the same pool left behind on every connection to the server.
LEFT_BEHIND = (
    "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'America/St_Johns'; SET IntervalStyle = 'iso_8601'; "
    "SET bytea_output = 'escape'; SET standard_conforming_strings = off; SET escape_string_warning = off; "
    "SET search_path = nowhere; SET lock_timeout = '1ms'; SET statement_timeout = '2s'; "
    "SET default_transaction_isolation = 'serializable'"
)


def pgbouncer_binary() -> str:
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    assert binary, "no PgBouncer was found: install Debian's package pgbouncer, as `make test-system` does"
    return binary


@contextmanager
def pgbouncer(server: URL, folder: Path, *, left_behind: str = LEFT_BEHIND, **settings: object) -> Iterator[URL]:
    """Run PgBouncer in front of `server`, in transaction mode; yield its URL, without a schema.

    Every database of the server is there by its name, and nothing was left behind in `postgres`. Connections to the
    server take turns, so that hardly any two transactions of a client come over the same connection.
    """
    port = free_port()
    quoted = left_behind.replace("'", "''")
    host = server.host or str(server.query["host"])
    target = f"host={host} port={server.port or 5432}"
    # Everybody is let in as the role they say they are, if the server has it: PgBouncer asks.
    users = folder / "users.txt"
    users.write_text(f'"{server.username}" ""\n')
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": users,
        "auth_user": server.username,
        "pool_mode": "transaction",
        "default_pool_size": 12,
        "max_client_conn": 400,
        "server_round_robin": 1,
        "server_idle_timeout": 5,
        "logfile": folder / "pgbouncer.log",
        "pidfile": "",
    } | settings
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\npostgres = {target}\n* = {target} connect_query='{quoted}'\n"
        "[pgbouncer]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())
    )
    command = [pgbouncer_binary(), "--quiet"]
    if os.geteuid() == 0:
        # It refuses to run as root. The socket of the embedded server is for the server's own user only.
        user = Path(host).owner() if os.path.isabs(host) else "postgres"
        shutil.chown(folder, user)
        command += ["--user", user]
    process = subprocess.Popen([*command, configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port, process), seconds=20, what="the start of PgBouncer")
        yield server.difference_update_query(["host", "options"]).set(host="127.0.0.1", port=port)
    finally:
        stop(process)


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "PgBouncer ended"
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
