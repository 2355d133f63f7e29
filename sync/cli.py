"""The command line. Each command is a module of `sync.commands`, loaded only when it is asked for."""

import os
from importlib import import_module
from typing import Any

import click

from models.schema import SchemaError
from sync import __version__
from sync.environment import SettingError
from sync.interrupt import INTERRUPTED, silent_interrupt
from sync.setting_names import require_known_names

COMMANDS = ("bench", "dead-letters", "dev", "opt-outs", "rebuild", "report", "simulate", "status", "trace", "worker")


class WrongSetting(click.ClickException):
    """A setting is missing or wrong, which is wrong use."""

    exit_code = 2


class Commands(click.Group):
    """Finds a command in the module of its name, so that the worker does not load what the others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        with silent_interrupt():
            module = import_module(f"sync.commands.{cmd_name.replace('-', '_')}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse a misspelt setting before any command, but let a person ask how the command is used."""
        if not (ctx.resilient_parsing or set(args) & set(ctx.help_option_names)):
            require_known_names(os.environ)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Say in one line what any command may find wrong at its start."""
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise WrongSetting(str(error)) from None
        except SchemaError as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(INTERRUPTED)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zexa-sync")
def main() -> None:
    """Mirrors Zexa's delivery events and opt-outs into your own database.

    Settings come from the environment; `zexa-sync COMMAND --help` names those a command reads. Exit status:
    0 on success, 1 on a negative answer or a failure, 2 on wrong use, 130 after Ctrl-C if a command says nothing else.
    """
