"""Can this code run on the database's schema? Web and worker refuse to run otherwise.

After a rollback of a release the schema may be ahead of the code. So each migration writes down the oldest revision
whose code can run on the schema that it leaves behind.
"""

from sqlalchemy import Connection, Engine, Text, column, inspect, select, table, text

from models.refusals import SchemaBehind, SchemaError
from models.tables import COMPATIBILITY

# The newest migration. A test holds it equal to the migrations folder, so that the web process need not
# load Alembic to know it. Revisions are numbers of as many digits, so their order is that of their text.
HEAD = "0001"
# Its own name: another application in the same database may use Alembic too.
VERSION_TABLE = "zexa_sync_version"
COMPATIBILITY_TABLE = COMPATIBILITY.name

# How long web and worker wait at their start for a schema that is behind: another process may be migrating it.
SCHEMA_SECONDS = 60.0
SCHEMA_PAUSE_SECONDS = 0.5

_VERSIONS = table(VERSION_TABLE, column("version_num", Text))


def require_head(engine: Engine, *, code: str = HEAD) -> None:
    """Raise SchemaError unless code of revision `code` can run on the schema: it is there, or ahead and compatible.

    Errors of a database that does not answer are SQLAlchemy's and pass through.
    """
    with engine.connect() as connection:
        require_utf8(connection)
        require_compatible(connection, code=code)


def require_compatible(connection: Connection, *, code: str = HEAD) -> bool:
    """Do as `require_head`; return whether the schema is ahead."""
    current = current_revision(connection)
    if current == code:
        return False
    if current is None or current < code:
        state = f"at {current}" if current else "empty"
        raise SchemaBehind(f"the database schema is {state}, this version needs {code}: run `alembic upgrade head`")
    oldest = _oldest_revision(connection)
    if oldest is not None and oldest <= code:
        return True
    least = f"{oldest} or newer" if oldest else current
    raise SchemaError(
        f"the database schema is at {current}, which needs code of {least}, and this version is of {code}: "
        "deploy the newer version again, or restore a backup from before it was deployed"
    )


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
    """Return the revision the migrations left in the database, or None if they never ran."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_VERSIONS.c.version_num)).scalar()


def _oldest_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(COMPATIBILITY_TABLE):
        return None
    return connection.execute(select(COMPATIBILITY.c.oldest_revision)).scalar()
