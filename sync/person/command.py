"""`zexa-sync person`: what is held about one person."""

import click

from sync.terminal.groups import LazyGroup

SUBCOMMANDS = {
    "export": "sync.person.export_command:export",
    "show": "sync.person.show_command:show",
}


@click.command(cls=LazyGroup, places=SUBCOMMANDS)
def person() -> None:
    """Answer a person who asks what is held about them, or complains of a message after STOP.

    \b
    For example:
      zexa-sync person show 912345678
      zexa-sync person export 912345678 -o answer.json

    ADDRESS is a number, an e-mail address or a Slack id, in any spelling, on every channel.

    Exit status: 0 if anything is held, 1 if nothing is, or on a failure, 2 on wrong use.
    """
