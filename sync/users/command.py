"""`zexa-sync users`: the people of the console."""

import click

from sync.terminal.groups import LazyGroup

SUBCOMMANDS = {
    "add": "sync.users.add_command:add",
    "disable": "sync.users.change_commands:disable",
    "list": "sync.users.list_command:list_users",
    "remove": "sync.users.change_commands:remove",
}


@click.command(cls=LazyGroup, places=SUBCOMMANDS)
def users() -> None:
    """Say who may sign in to the console, which ZEXA_CONSOLE_KEY turns on in `web`.

    \b
    For example:
      zexa-sync users add Maria --role operator
      zexa-sync users add Rui --link https://zexa.example.com
      zexa-sync users list

    A viewer looks, and sees addresses masked (+244…678). An operator sees them in full, and acts: what operators do
    stands in opt_out_history or audit_log with their name. Nobody can add themselves.
    """
