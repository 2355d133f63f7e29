"""`zexa-sync users disable` and `remove`: a person signs in no more, and sessions end at once."""

from datetime import UTC, datetime

import click

from sync.terminal.stores import database
from sync.terminal.text import say, visible
from sync.users.accounts import disable_account, remove_account
from sync.users.add_command import COMMAND_LINE, person_name
from sync.users.audit import Action, note

NOBODY = "there is nobody of that name: `zexa-sync users list` shows everybody"


@click.command()
@click.argument("name", type=person_name)
@click.option("--undo", is_flag=True, help="Let the person sign in again.")
def disable(name: str, undo: bool) -> None:
    """Let the person called NAME not sign in any more; every session ends at once.

    \b
    For example:
      zexa-sync users disable Rui
      zexa-sync users disable Rui --undo

    Exit status: 0 on success, 1 if there is nobody of that name or on a failure, 2 on wrong use. Reads DATABASE_URL.
    """
    action = Action.USER_ENABLED if undo else Action.USER_DISABLED
    with database() as engine, engine.begin() as connection:
        if not disable_account(connection, name, is_disabled=not undo):
            raise click.ClickException(NOBODY)
        note(connection, COMMAND_LINE, action, datetime.now(UTC), name)
    say(f"{visible(name)} may {'sign in again' if undo else 'sign in no more'}")


@click.command()
@click.argument("name", type=person_name)
def remove(name: str) -> None:
    """Remove the person called NAME; every session ends at once. What they did stays in the history with their name.

    \b
    For example:
      zexa-sync users remove Rui

    Exit status: 0 on success, 1 if there is nobody of that name or on a failure, 2 on wrong use. Reads DATABASE_URL.
    """
    with database() as engine, engine.begin() as connection:
        if not remove_account(connection, name):
            raise click.ClickException(NOBODY)
        note(connection, COMMAND_LINE, Action.USER_REMOVED, datetime.now(UTC), name)
    say(f"{visible(name)} is removed")
