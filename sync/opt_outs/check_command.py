"""`zexa-sync opt-outs check`: may these addresses be messaged?"""

import json
import sys
from collections.abc import Iterable, Iterator

import click

from sync.opt_outs.command_options import MAX_STALE, opened_lookup, scope
from sync.suppression.text import answers_document, answers_text
from sync.terminal.options import JSON, WrongUse
from sync.terminal.text import say

FROM_STANDARD_INPUT = "-"


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@scope("Only opt-outs")
@MAX_STALE
@JSON
def check(
    addresses: tuple[str, ...], channel: str | None, sender: str | None, max_staleness: float, as_json: bool
) -> None:
    """Say of each ADDRESS whether it may be messaged.

    \b
    For example:
      zexa-sync opt-outs check +244912345678 ana@example.com
      zexa-sync opt-outs check 912345678 --channel sms --sender ZEXA
      zexa-sync opt-outs check - --json < addresses.txt

    An ADDRESS may be given in any spelling; - reads more from standard input, one a line. The strict reading is
    the default: an opt-out on any channel and from any sender counts. With --channel or --sender only those
    count that name it, or name none.

    \b
    suppressed  an opt-out is in force: do not message
    allowed     no opt-out is in force, as of the time shown
    invalid     this is no address of that channel, or of any
    unknown     a store did not answer, or the answer would be older than --max-staleness

    The last line shows the time as of which the answers hold. An opt-out that was received and is not applied yet keeps
    that time in the past, and is named. Exit status: 0 only if every address is allowed, 1 otherwise, 2 on wrong use.
    Reads DATABASE_URL, REDIS_URL, ZEXA_DEFAULT_REGION and ZEXA_FORGET_KEY.
    """
    texts = list(_texts(addresses))
    if not texts:
        raise WrongUse("no address is given")
    with opened_lookup() as lookup:
        answers = lookup.check(texts, channel, sender, max_staleness)
    say(json.dumps(answers_document(answers), indent=2) if as_json else answers_text(answers))
    sys.exit(1 if any(answer.is_suppressed() for answer in answers) else 0)


def _texts(addresses: Iterable[str]) -> Iterator[str]:
    for address in addresses:
        if address == FROM_STANDARD_INPUT:
            yield from _lines()
        else:
            yield address


def _lines() -> Iterator[str]:
    """Yield each line of standard input that is not blank; what is not UTF-8 survives, and is no address."""
    for line in sys.stdin.buffer:
        text = line.decode("utf-8", "surrogateescape").removeprefix("\ufeff").rstrip("\r\n")
        if text.strip():
            yield text
