"""Is the database at the schema this code was written for? Web and worker refuse to run otherwise."""

from sqlalchemy import Connection, Engine, Text, column, inspect, select, table, text

# The newest migration. A test holds it equal to the migrations folder, so that the web process need not
# load Alembic to know it.
HEAD = "0001"
# Its own name: another application in the same database may use Alembic too.
VERSION_TABLE = "zexa_sync_version"

_VERSIONS = table(VERSION_TABLE, column("version_num", Text))


class SchemaError(Exception):
    """The database answers, but its schema is not the one this code needs."""


def require_head(engine: Engine) -> None:
    """Raise SchemaError, a single line for a person, unless the schema is at HEAD.

    Errors of a database that does not answer are SQLAlchemy's and pass through.
    """
    with engine.connect() as connection:
        require_utf8(connection)
        current = current_revision(connection)
    if current != HEAD:
        found = f"at {current}" if current else "empty"
        raise SchemaError(f"the database schema is {found}, this version needs {HEAD}: run `alembic upgrade head`")


def require_utf8(connection: Connection) -> None:
    """Raise SchemaError unless the database can hold every text: any character may stand in a name or a reason."""
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise SchemaError(
            f"the database has the encoding {encoding} and UTF8 is needed: use another one, made with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )


def current_revision(connection: Connection) -> str | None:
    """Return the revision the migrations left in the database, or None where they never ran."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_VERSIONS.c.version_num)).scalar()
