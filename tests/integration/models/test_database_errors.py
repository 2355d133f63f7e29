"""An error of the database says its reason in one line, and never quotes what is stored or a password."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import error_line, is_misconfigured
from sync.devtools.dev.embedded import free_port

PERSON = "+244912345678"
PASSWORD = "opensesame"


def error_of(url: URL, *statements: str) -> DBAPIError:
    """The error of the last of `statements`, in one transaction, or of the connection."""
    engine = open_database(url)

    def execute() -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    try:
        with pytest.raises(DBAPIError) as raised:
            execute()
        return raised.value
    finally:
        engine.dispose()


@contextmanager
def answering(tls: bytes) -> Iterator[int]:
    """A port on which a server answers the wish for TLS in this way: S if it has TLS, N if not."""

    def answer() -> None:
        client, _ = server.accept()
        with client:
            client.recv(8)
            client.sendall(tls)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def of_server(port: int, host: str = "127.0.0.1", **query: str) -> URL:
    return make_url(f"postgresql+psycopg://zexa:{PASSWORD}@{host}:{port}/zexa").update_query_dict(query)


# Away: waited for


def test_a_refused_connection_is_away() -> None:
    error = error_of(of_server(free_port()))
    assert "Connection refused" in error_line(error)
    assert not is_misconfigured(error)


def test_a_server_that_does_not_answer_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = error_of(of_server(silent.getsockname()[1], connect_timeout="2"))
    assert error_line(error) == "connection timeout expired"
    assert not is_misconfigured(error)


def test_a_full_server_is_away(postgres_server: URL) -> None:
    engine = open_database(postgres_server)
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE zexa_crowd LOGIN CONNECTION LIMIT 0"))
    error = error_of(postgres_server.set(username="zexa_crowd"))
    assert "too many connections for role" in error_line(error)
    assert not is_misconfigured(error)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE zexa_crowd"))
    engine.dispose()


# Misconfigured: the start ends


def test_a_database_or_role_that_does_not_exist_is_misconfigured(postgres_server: URL) -> None:
    for url, reason in (
        (postgres_server.set(database="nowhere"), 'database "nowhere" does not exist'),
        (postgres_server.set(username="nobody_of_ours"), 'role "nobody_of_ours" does not exist'),
    ):
        error = error_of(url)
        assert reason in error_line(error)
        assert "\n" not in error_line(error)
        assert is_misconfigured(error)


@pytest.fixture
def locked_out(postgres_server: URL) -> Iterator[URL]:
    """The embedded server as a role that needs a password."""
    if "ZEXA_TEST_POSTGRES_URL" in os.environ:
        pytest.skip("the rules of somebody else's server are not changed")
    engine = open_database(postgres_server)
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE zexa_locked LOGIN PASSWORD 'another'"))
        rules = Path(connection.execute(text("SHOW hba_file")).scalar_one())
    before = rules.read_text()
    for written in (f"local all zexa_locked scram-sha-256\n{before}", before):
        rules.write_text(written)
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_reload_conf()"))
        if written != before:
            yield postgres_server.set(username="zexa_locked", password=PASSWORD)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE zexa_locked"))
    engine.dispose()


def test_a_wrong_password_is_misconfigured_and_not_quoted(locked_out: URL) -> None:
    for url, reason in ((locked_out, "password authentication failed"), (locked_out.set(password=""), "no password")):
        error = error_of(url)
        assert reason in error_line(error)
        assert PASSWORD not in error_line(error)
        assert is_misconfigured(error)


def test_a_parameter_that_cannot_work_is_misconfigured() -> None:
    error = error_of(of_server(free_port(), sslmode="any"))
    assert error_line(error) == 'invalid sslmode value: "any"'
    assert is_misconfigured(error)


@pytest.mark.parametrize(
    ("answer", "query", "reason"),
    [
        (b"S", {"sslmode": "verify-full", "sslrootcert": "/nowhere/root.crt"}, "root certificate"),
        (b"N", {"sslmode": "require"}, "server does not support SSL, but SSL was required"),
    ],
)
def test_tls_that_cannot_come_about_is_misconfigured(answer: bytes, query: dict[str, str], reason: str) -> None:
    with answering(answer) as port:
        error = error_of(of_server(port, **query))
    assert reason in error_line(error)
    assert is_misconfigured(error)


def test_a_host_that_no_name_server_knows_is_misconfigured() -> None:
    driver = psycopg.OperationalError("failed to resolve host 'db.invalid': [Errno -2] Name or service not known")
    assert is_misconfigured(DBAPIError(None, None, driver))
    driver = psycopg.OperationalError("failed to resolve host 'db': [Errno -3] Temporary failure in name resolution")
    assert not is_misconfigured(DBAPIError(None, None, driver))


def test_of_several_addresses_of_a_host_the_one_that_says_what_is_wrong_counts() -> None:
    refused = 'connection failed: connection to server at "::1", port 5432 failed: Connection refused'
    wrong = (
        'connection failed: connection to server at "127.0.0.1", port 5432 failed: FATAL:  database "x" does not exist'
    )
    driver = psycopg.OperationalError(
        f"{refused}\nMultiple connection attempts failed. All failures were:\n"
        f"- host: 'localhost', port: '5432', hostaddr: '127.0.0.1': {wrong}\n"
        f"- host: 'localhost', port: '5432', hostaddr: '::1': {refused}"
    )
    error = DBAPIError(None, None, driver)
    assert error_line(error).startswith('connection to server at "127.0.0.1"')
    assert is_misconfigured(error)


# What is stored is never quoted


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT '{PERSON}'::integer",
        f"INSERT INTO rollup_campaigns VALUES ('{PERSON}', 0, 0, 0, 0, 0, 0), ('{PERSON}', 0, 0, 0, 0, 0, 0)",
        f"INSERT INTO rollup_campaigns VALUES ('{PERSON}', NULL, 0, 0, 0, 0, 0)",
        f"DO $$ BEGIN RAISE EXCEPTION 'no {PERSON}' USING DETAIL = '{PERSON}'; END $$",
        f"DO $$ BEGIN RAISE EXCEPTION 'no {PERSON}' USING ERRCODE = '53100'; END $$",
        f'SELECT 1 FROM "{PERSON}"',
    ],
)
def test_the_error_of_a_statement_quotes_no_value(statement: str, migrated_url: URL) -> None:
    error = error_of(migrated_url, statement)
    assert "912345678" in str(error.orig)
    assert "912345678" not in error_line(error)
    assert error_line(error)
    assert not is_misconfigured(error)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_error_names_the_constraint_that_was_violated(migrated_url: URL) -> None:
    statement = f"INSERT INTO rollup_campaigns VALUES ('{PERSON}', 0, 0, 0, 0, 0, 0), ('{PERSON}', 0, 0, 0, 0, 0, 0)"
    assert error_line(error_of(migrated_url, statement)) == "UniqueViolation, SQLSTATE 23505, rollup_campaigns_pkey"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (("SET LOCAL ROLE zexa_reporting", "DELETE FROM inbox"), "permission denied for table inbox"),
        (("SET LOCAL statement_timeout = 10", "SELECT pg_sleep(5)"), "canceling statement due to statement timeout"),
        (("SET TRANSACTION READ ONLY", "DELETE FROM inbox"), "cannot execute DELETE in a read-only transaction"),
    ],
)
def test_a_missing_privilege_and_a_limit_are_said(statements: tuple[str, ...], reason: str, migrated_url: URL) -> None:
    assert error_line(error_of(migrated_url, *statements)) == reason


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    fill = ("CREATE TABLE filled (body blob)", "INSERT INTO filled VALUES (zeroblob(100000))")
    error = error_of(make_url(f"sqlite:///{tmp_path}/zexa.db"), "PRAGMA max_page_count = 2", *fill)
    assert error_line(error) == "database or disk is full"
    assert not is_misconfigured(error)


def test_a_folder_that_is_not_there_is_misconfigured(tmp_path: Path) -> None:
    error = error_of(make_url(f"sqlite:///{tmp_path}/missing/zexa.db"))
    assert error_line(error) == "unable to open database file"
    assert is_misconfigured(error)
