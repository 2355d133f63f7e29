"""Groups of commands that load a command only when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from sync.terminal.interrupt import silent_interrupt


class LazyGroup(click.Group):
    """Finds each subcommand in its module, so that no command loads what the others need."""

    def __init__(self, *arguments: Any, places: Mapping[str, str], **options: Any) -> None:
        """`places` names for each subcommand the module and the command in it, as `sync.worker.command:worker`."""
        super().__init__(*arguments, **options)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(self.places)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the whole first sentence of each: click cuts them off after some 50 characters."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(limit=200)) for name, command in commands if command])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        with silent_interrupt():
            command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command
