"""`zexa-sync webhooks`: the webhook at the provider."""

import click

from sync.terminal.groups import LazyGroup

SUBCOMMANDS = {
    "list": "sync.provider.webhooks.list_command:list_",
    "register": "sync.provider.webhooks.register_command:register",
}


@click.command(cls=LazyGroup, places=SUBCOMMANDS)
def webhooks() -> None:
    """Register the webhook at Zexa, with proof that deliveries arrive, and list what is registered.

    \b
    For example:
      zexa-sync webhooks register --url https://example.com/webhooks/zexa
      zexa-sync webhooks list

    Exit status: 0 on success, 1 if nothing is proved, or if Zexa refused or failed, 2 on wrong use.
    """
