"""Is the database at the schema this code was written for? Web and worker refuse to run otherwise."""

from sqlalchemy import Connection, Engine, inspect, text

# The newest migration. A test holds it equal to the migrations folder, so that the web process need not
# load Alembic to know it.
HEAD = "0004"


class SchemaError(Exception):
    """The database answers, but its schema is not the one this code needs."""


def require_head(engine: Engine) -> None:
    """Raise SchemaError, a single line for a person, unless the schema is at HEAD.

    Errors of a database that does not answer are SQLAlchemy's and pass through.
    """
    with engine.connect() as connection:
        current = current_revision(connection)
    if current != HEAD:
        found = f"at {current}" if current else "empty"
        raise SchemaError(f"the database schema is {found}, this version needs {HEAD}: run `alembic upgrade head`")


def current_revision(connection: Connection) -> str | None:
    """Return the revision the migrations left in the database, or None where they never ran."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
