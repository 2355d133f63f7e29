"""`zexa-sync opt-outs`: who must not be messaged, asked and told by people."""

from importlib import import_module

import click

from sync.interrupt import silent_interrupt

# Each name, and the module of `sync.opt_outs.commands` and the command in it that it stands for.
SUBCOMMANDS = {
    "add": "stating:add",
    "check": "checking:check",
    "evidence": "proving:evidence",
    "export": "exporting:export",
    "import": "importing:import_",
    "list": "listing:list_",
    "remove": "stating:remove",
    "scrub": "scrubbing:scrub_",
    "sent-after": "proving:sent_after",
}


class Subcommands(click.Group):
    """Finds a subcommand in its module, so that a look-up does not load what reading files needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in SUBCOMMANDS:
            return None
        module, _, name = SUBCOMMANDS[cmd_name].partition(":")
        with silent_interrupt():
            command = getattr(import_module(f"sync.opt_outs.commands.{module}"), name)
        assert isinstance(command, click.Command)
        return command


@click.command(cls=Subcommands)
def opt_outs() -> None:
    """Ask who must not be messaged, and record what people decide about it.

    An opt-out holds for one channel and sender, or for any where it names none. Whoever asks without naming them
    gets the strict answer: any channel, any sender. Events add opt-outs and never end one; only a person does,
    with `remove`. Everything stated here stays in the table opt_out_history for good, with who and why.

    \b
    For example:
      zexa-sync opt-outs check 912345678
      zexa-sync opt-outs add 912345678 --by "Maria, support" --reason "asked by phone"
      zexa-sync opt-outs remove 912345678 --by "Maria, support" --reason "signed up again, form 1234"
      zexa-sync opt-outs scrub list.csv --column phone --out clean.csv --removed removed.csv --invalid invalid.csv

    Exit status: 0 on success, 1 on a negative answer or a failure, 2 on wrong use.
    """
