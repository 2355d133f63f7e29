"""`zexa-sync person`: what is held about one person, and how it is erased."""

import click

from sync.terminal.groups import LazyGroup

SUBCOMMANDS = {
    "export": "sync.person.export_command:export",
    "forget": "sync.person.forget_command:forget",
    "show": "sync.person.show_command:show",
}


@click.command(cls=LazyGroup, places=SUBCOMMANDS)
def person() -> None:
    """Answer a person who asks what is held about them, complains of a message after STOP, or wants to be forgotten.

    \b
    For example:
      zexa-sync person show 912345678
      zexa-sync person export 912345678 -o answer.json
      zexa-sync person forget +244912345678 --by Maria --reason "asked by letter"

    ADDRESS is a number, an e-mail address or a Slack id, in any spelling, on every channel.

    Exit status: 0 if anything is held, or is erased; 1 if nothing is held, or on a failure; 2 on wrong use.
    """
