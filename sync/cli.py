"""The command line. Each command is a module of `sync.commands`, loaded only when it is asked for."""

import os
from importlib import import_module
from typing import Any

import click

from models.schema import SchemaError
from sync import __version__
from sync.environment import SettingError
from sync.interrupt import INTERRUPTED, silent_interrupt
from sync.program import as_invoked
from sync.setting_names import require_known_names

COMMANDS = (
    "bench",
    "dead-letters",
    "dev",
    "opt-outs",
    "rebuild",
    "report",
    "send",
    "simulate",
    "status",
    "trace",
    "worker",
)
# These make a system of their own, or are part of one. Every other command uses the one that `dev` runs here.
APART = ("bench", "dev", "worker")
HELP = ("-h", "--help")


class WrongSetting(click.ClickException):
    """A setting is missing or wrong, which is wrong use."""

    exit_code = 2


class HelpText(click.HelpFormatter):
    """Names the command line in examples as it was invoked."""

    def getvalue(self) -> str:
        return as_invoked(super().getvalue())


# Of all commands, those of groups included.
click.Context.formatter_class = HelpText


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
        """Refuse a misspelt setting, and give a command without settings those of a running `dev`.

        Before its options read any; but let a person ask how a command is used.
        """
        is_help = ctx.resilient_parsing or any(option in args for option in HELP)
        if not is_help:
            require_known_names(os.environ)
        name, command, rest = super().resolve_command(ctx, args)
        if command and name not in APART and not is_help:
            from sync.development.run_state import has_stopped, join_running  # noqa: PLC0415

            if join_running(os.environ):
                click.echo("using the system that `zexa-sync dev` runs in .zexa", err=True)
            elif has_stopped(os.environ):
                click.echo("the system of `zexa-sync dev` in .zexa does not run now", err=True)
        return name, command, rest

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


@click.command(cls=Commands, context_settings={"help_option_names": list(HELP)})
@click.version_option(__version__, prog_name="zexa-sync")
def main() -> None:
    """Mirrors Zexa's delivery events and opt-outs into your own database.

    Settings come from the environment; `zexa-sync COMMAND --help` names those a command reads. Exit status:
    0 on success, 1 on a negative answer or a failure, 2 on wrong use, 130 after Ctrl-C if a command says nothing else.
    """
