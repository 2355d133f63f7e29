"""`zexa-sync opt-outs`: people ask who must not be messaged, and record opt-outs."""

import click

from sync.terminal.groups import LazyGroup

SUBCOMMANDS = {
    "add": "sync.opt_outs.add_remove_command:add",
    "check": "sync.opt_outs.check_command:check",
    "evidence": "sync.opt_outs.evidence_command:evidence",
    "export": "sync.opt_outs.export_command:export",
    "import": "sync.opt_outs.import_command:import_",
    "list": "sync.opt_outs.list_command:list_",
    "remove": "sync.opt_outs.add_remove_command:remove",
    "scrub": "sync.opt_outs.scrub_command:scrub_",
    "sent-after": "sync.opt_outs.evidence_command:sent_after",
}


@click.command(cls=LazyGroup, places=SUBCOMMANDS)
def opt_outs() -> None:
    """Ask who must not be messaged, and record what people decide about it.

    An opt-out holds for one channel and sender, or for any if it names none. A question without channel and sender
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
