"""The command line. Each command is a module of `sync.commands`, loaded only when it is asked for."""

from importlib import import_module
from typing import Any

import click

from models.schema import SchemaError
from sync import __version__
from sync.environment import SettingError

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
        module = import_module(f"sync.commands.{cmd_name.replace('-', '_')}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Say in one line what any command may find wrong at its start."""
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise WrongSetting(str(error)) from None
        except SchemaError as error:
            raise click.ClickException(str(error)) from None


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zexa-sync")
def main() -> None:
    """Mirrors Zexa's delivery events and opt-outs into your own database.

    Settings come from the environment; `zexa-sync COMMAND --help` names those a command reads. Exit status:
    0 on success, 1 on a negative answer or a failure, 2 on wrong use.
    """
