"""The command line: which command is in which folder. A command is loaded only when it is asked for."""

import os
from typing import Any

import click

from models.refusals import ForgetKeyMissing, SchemaError
from sync import __version__
from sync.settings.environment import SettingError
from sync.settings.names import require_known_names
from sync.terminal.groups import LazyGroup
from sync.terminal.interrupt import INTERRUPTED
from sync.terminal.program import as_invoked
from sync.terminal.running_dev import has_stopped, join_running

COMMANDS = {
    "bench": "sync.devtools.bench.command:bench",
    "dead-letters": "sync.dead_letters.command:dead_letters",
    "dev": "sync.devtools.dev.command:dev",
    "doctor": "sync.doctor.command:doctor",
    "opt-outs": "sync.opt_outs.command:opt_outs",
    "outages": "sync.provider.outages.command:outages",
    "person": "sync.person.command:person",
    "rebuild": "sync.rebuild.command:rebuild",
    "reconcile": "sync.provider.reconcile_command:reconcile",
    "report": "sync.reports.command:report",
    "send": "sync.devtools.simulate.send:send",
    "simulate": "sync.devtools.simulate.command:simulate",
    "status": "sync.status.command:status",
    "tail": "sync.status.tail:tail",
    "trace": "sync.reports.trace.command:trace",
    "users": "sync.users.command:users",
    "webhooks": "sync.provider.webhooks.command:webhooks",
    "worker": "sync.worker.command:worker",
}
# These make a system of their own, or are part of one. Every other command uses the one that `dev` runs here.
APART = ("bench", "dev", "worker")
# This one says itself what is wrong with the settings.
CHECKS_SETTINGS = ("doctor",)
HELP = ("-h", "--help")


class WrongSetting(click.ClickException):
    """A setting is missing or wrong, which is wrong use."""

    exit_code = 2


class HelpText(click.HelpFormatter):
    """Names the command line in examples as it was invoked."""

    def getvalue(self) -> str:
        return as_invoked(super().getvalue())


# Of all commands, commands of groups included.
click.Context.formatter_class = HelpText


class Commands(LazyGroup):
    """The commands by name, in the environment that they are to run in."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse a misspelt setting, and give a command without settings the settings of a running `dev`.

        This comes before the command's options read any setting; but a person may always ask for `--help`.
        """
        is_help = ctx.resilient_parsing or any(option in args for option in HELP)
        if not is_help and args[0] not in CHECKS_SETTINGS:
            require_known_names(os.environ)
        name, command, rest = super().resolve_command(ctx, args)
        if command and name not in APART and not is_help:
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
        except (SchemaError, ForgetKeyMissing) as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(INTERRUPTED)


@click.command(cls=Commands, places=COMMANDS, context_settings={"help_option_names": list(HELP)})
@click.version_option(__version__, prog_name="zexa-sync")
def main() -> None:
    """Mirrors Zexa's delivery events and opt-outs into your own database.

    Settings come from the environment; `zexa-sync COMMAND --help` names those a command reads. Exit status: 0 on
    success, 1 on a negative answer or a failure, 2 on wrong use. After Ctrl-C it is 130 if a command says nothing else.
    """
