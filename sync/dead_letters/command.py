"""`zexa-sync dead-letters`: what waits for a person, and what a person can do about it."""

import click

from sync.terminal.groups import LazyGroup

SUBCOMMANDS = {
    "list": "sync.dead_letters.list_command:list_",
    "replay": "sync.dead_letters.replay_command:replay_",
    "requeue": "sync.dead_letters.requeue_command:requeue_",
    "resolve": "sync.dead_letters.resolve_command:resolve_",
    "show": "sync.dead_letters.show_command:show",
}


@click.command(cls=LazyGroup, places=SUBCOMMANDS)
def dead_letters() -> None:
    """Look at what could not be applied, and decide what becomes of it.

    A dead letter is an authentic delivery that could not be applied: it waits in your database, with its exact
    bytes and the reason. A failed job is one that workers could not finish: it waits in Redis with its raw
    events. Nothing here is ever removed without having been applied or put back. A DIGEST may be shortened to its
    first digits, at least six, as long as they fit one letter only.

    \b
    For example:
      zexa-sync dead-letters list
      zexa-sync dead-letters show 5feceb66ffc8
      zexa-sync dead-letters replay --all

    Exit status: 0 on success, 1 on a negative answer or a failure, 2 on wrong use.
    """
