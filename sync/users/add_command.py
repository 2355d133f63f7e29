"""`zexa-sync users add`: lets a person sign in, by a password that is asked for or a link that sets one."""

import os
from datetime import UTC, datetime
from urllib.parse import urlsplit

import click

from sync.terminal.options import WrongUse
from sync.terminal.stores import database
from sync.terminal.text import say, visible
from sync.users.accounts import LINK_ENDS_AFTER, LinkKind, Role, add_account, is_name, make_link
from sync.users.audit import Action, note
from sync.users.passwords import CHARACTERS_MAX, CHARACTERS_MIN, is_long_enough

# Who did it, in the log of the console: a person who may run commands needs no account.
COMMAND_LINE = "zexa-sync users"


def person_name(name: str) -> str:
    """Return a name that a person can have in the console."""
    if not is_name(name):
        raise click.BadParameter("a name has 1 to 64 printable characters, and no blanks around it")
    return name


def link_address(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Refuse what a browser could not open: the link is shown once, and the person would be added already."""
    if text is None:
        return None
    try:
        url = urlsplit(text)
        is_usable = url.scheme in ("http", "https") and bool(url.hostname) and not (url.query or url.fragment)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise click.BadParameter("give the URL of the web process, such as https://zexa.example.com")
    return text


@click.command()
@click.argument("name", type=person_name)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.VIEWER.value,
    show_default=True,
    help="What the person may do.",
)
@click.option(
    "--link",
    "address",
    metavar="URL",
    callback=link_address,
    help="Print a link that sets the password, of the console at URL.",
)
def add(name: str, role: str, address: str | None) -> None:
    """Let the person called NAME sign in to the console.

    \b
    For example:
      zexa-sync users add Maria --role operator
      zexa-sync users add Rui --link https://zexa.example.com

    The password is asked for on the terminal. With --link nobody but the person gets to know it: the link that is
    printed sets it, once, within a day.

    Exit status: 0 on success, 1 if there is somebody of that name or on a failure, 2 on wrong use. Reads DATABASE_URL.
    """
    password = None if address else _asked_password()
    now = datetime.now(UTC)
    with database() as engine, engine.begin() as connection:
        if not add_account(connection, name, Role(role), password, now):
            raise click.ClickException("there is somebody of that name: `zexa-sync users list` shows everybody")
        note(connection, COMMAND_LINE, Action.USER_ADDED, now, name)
        secret = make_link(connection, name, LinkKind.PASSWORD, now) if address else None
    say(f"{visible(name)} may sign in to the console as {role}")
    if address:
        hours = round(LINK_ENDS_AFTER[LinkKind.PASSWORD].total_seconds() / 3600)
        say(f"This link sets the password, once, within {hours} h: {link_text(address, secret or '')}")
    if not os.environ.get("ZEXA_CONSOLE_KEY", "").strip():
        click.echo("the console is off until ZEXA_CONSOLE_KEY is set for `web`", err=True)


def link_text(address: str, secret: str) -> str:
    """Return the link with this secret, of the console of the web process at `address`."""
    return f"{address.rstrip('/').removesuffix('/console')}/console/link/{secret}"


def _asked_password() -> str:
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if not is_long_enough(password):
        raise WrongUse(f"a password has {CHARACTERS_MIN} to {CHARACTERS_MAX} characters; nobody was added")
    return password
