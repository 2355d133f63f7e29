"""The link with which the person who runs `zexa-sync dev` signs in to its console, once."""

from datetime import UTC, datetime

from models.database import disposing, open_database
from sync.devtools.dev.setup import Setup
from sync.users.accounts import LinkKind, Role, add_account, make_link
from sync.users.add_command import link_text

NAME = "dev"


def console_text(setup: Setup) -> str | None:
    """Return where the console is, None if it is off.

    In the data folder's own database it is a link that signs in an operator called NAME, once, within a quarter of an
    hour. In a database of the user's own nobody is added.
    """
    if not setup.environ.get("ZEXA_CONSOLE_KEY"):
        return None
    address = f"http://127.0.0.1:{setup.port}"
    if setup.database_url.database != str(setup.data / "zexa.db"):
        return f"{address}/console/ (`zexa-sync users add NAME` lets somebody in)"
    now = datetime.now(UTC)
    with disposing(open_database(setup.database_url, pool_size=1)) as engine, engine.begin() as connection:
        add_account(connection, NAME, Role.OPERATOR, None, now)
        secret = make_link(connection, NAME, LinkKind.SIGN_IN, now)
    return f"{link_text(address, secret)} (signs in once)"
