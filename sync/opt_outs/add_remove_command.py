"""`zexa-sync opt-outs add` and `remove`: what a person says of somebody's wish, kept with who and why."""

import os
import sys
from datetime import UTC, datetime

import click

from sync.events.addresses import persons_of, read_address, sender_text
from sync.events.forget_keys import is_keyed
from sync.events.opt_outs import OptOutRow
from sync.events.written_text import is_storable
from sync.opt_outs.add import OptOutWord, WordEffect, scope_of, state_opt_outs
from sync.opt_outs.command_options import BY, default_region, scope
from sync.opt_outs.remove import EndedOptOuts, Resubscription, resubscribe_patiently
from sync.settings.forget_keys import read_forget_keys
from sync.suppression.text import scope_text
from sync.terminal.options import WrongUse, past_time, words
from sync.terminal.stores import database
from sync.terminal.text import say, visible
from sync.terminal.times import time_text

_OUTCOMES = {
    WordEffect.NEW: "opted out",
    WordEffect.LATER: "opted out again: there was an earlier opt-out",
    WordEffect.UNCHANGED: "unchanged: an opt-out at least as late is in force; this one is noted",
    WordEffect.ENDED: "not in force: a re-subscription is later than --at; this one is noted",
}


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@BY
@scope("Only for messages")
@click.option("--at", "at", type=past_time, metavar="TIME", help="When they opted out (ISO 8601, UTC).  [default: now]")
@click.option("--reason", type=words, metavar="TEXT", help="Why, or how they said so; kept for good.")
def add(
    addresses: tuple[str, ...],
    by: str,
    channel: str | None,
    sender: str | None,
    at: datetime | None,
    reason: str | None,
) -> None:
    """Opt out each ADDRESS by a person's word.

    \b
    For example:
      zexa-sync opt-outs add 912345678 --by "Maria, support" --reason "asked by phone"
      zexa-sync opt-outs add ana@example.com --channel email --by Maria --at 2026-06-24T10:05:00Z

    For any channel and sender unless narrowed. It takes effect at once, and never weakens an opt-out that
    stands. Who, when and why go into the table opt_out_history for good.

    Exit status: 0 if all are in force; 1 if a re-subscription is later than --at, or on a failure; 2 on wrong use. It
    is also 2 if an ADDRESS is not an address; then nothing is recorded. Reads DATABASE_URL, ZEXA_DEFAULT_REGION and
    ZEXA_FORGET_KEY.
    """
    region = default_region()
    people = _read(addresses, channel or "", region)
    scope_channel, scope_sender = scope_of(channel or "", sender or "", region)
    statement = OptOutWord(channel=scope_channel, sender=scope_sender, at=at, by=by, reason=reason)
    with database() as engine, engine.begin() as connection:
        keys = read_forget_keys(os.environ)
        outcomes = state_opt_outs(connection, people, statement, datetime.now(UTC), forget_keys=keys)
    for several, outcome in zip(people, outcomes, strict=True):
        scope_told = visible(scope_text(scope_channel, scope_sender))
        say(f"{visible(' or '.join(several))}  {_OUTCOMES[outcome]} ({scope_told})")
    sys.exit(1 if WordEffect.ENDED in outcomes else 0)


def _read(addresses: tuple[str, ...], channel: str, region: str) -> list[tuple[str, ...]]:
    """Return what each of `addresses` may be; end the command if one is no address, without repeating it."""
    readings = {address: read_address(channel, address, region) for address in addresses}
    for number, reading in enumerate(readings.values(), 1):
        if reading.problem is not None:
            raise WrongUse(f"{_is_none(number, len(readings), channel)}: {reading.problem}; nothing was recorded")
    return list(dict.fromkeys(tuple(address.text for address in reading.addresses) for reading in readings.values()))


def _is_none(number: int, total: int, channel: str) -> str:
    subject = f"address {number} of {total}" if total > 1 else "this"
    return f"{subject} is no {f'address of channel {channel}' if channel else 'number, e-mail address or Slack id'}"


@click.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@BY
@click.option("--reason", required=True, type=words, metavar="TEXT", help="Why they may be messaged; kept for good.")
@scope("Only opt-outs")
def remove(addresses: tuple[str, ...], by: str, reason: str, channel: str | None, sender: str | None) -> None:
    """End the opt-outs of each ADDRESS: a re-subscription.

    \b
    For example:
      zexa-sync opt-outs remove 912345678 --by "Maria, support" --reason "signed up again, form 1234"
      zexa-sync opt-outs remove 912345678 --channel sms --by Maria --reason "wants SMS again"

    Only a person ends an opt-out, so --by and --reason are required. They stay in the table opt_out_history for
    good. Without --channel or --sender all opt-outs of an address end. With them only the opt-outs end that name
    that channel or sender; an opt-out for any channel or sender stays. The end holds for every opt-out received up
    to now, also for an opt-out that is not applied yet. A STOP that is received afterwards opts out again, whatever
    time it claims; a copy of an earlier STOP does not.

    Says which opt-outs ended and which remain in force. Exit status: 0 on success; 1 if an ADDRESS had none to end, or
    on a failure; 2 on wrong use. It is also 2 if an ADDRESS is not an address. It is also 1 if an opt-out remains
    because the clock of the machine that received it is ahead. Reads DATABASE_URL, ZEXA_DEFAULT_REGION and
    ZEXA_FORGET_KEY.
    """
    if not all(map(is_storable, addresses)):
        raise WrongUse("an address is blank or no text; nothing was ended")
    region = default_region()
    for number, address in enumerate(addresses, 1):
        persons = persons_of(channel, address, region)
        if any(is_keyed(address.person) for address in persons):
            raise WrongUse("a hash stands for a forgotten person: give the address; nothing was ended")
        if not persons:
            problem = read_address(channel or "", address, region).problem
            raise WrongUse(f"{_is_none(number, len(addresses), channel or '')}: {problem}; nothing was ended")
    scope_sender = sender_text(sender, region) if sender else None
    resubscription = Resubscription(channel=channel, sender=scope_sender, by=by, reason=reason)
    with database() as engine:
        keys = read_forget_keys(os.environ)
        results = resubscribe_patiently(engine, addresses, resubscription, default_region=region, forget_keys=keys)
    for result in results:
        _say_ended(result)
    sys.exit(0 if all(result.ended and not result.ahead for result in results) else 1)


def _say_ended(result: EndedOptOuts) -> None:
    address = visible(result.address)
    if not result.ended:
        say(f"{address}  nothing to end" + ("" if result.in_force else ": no opt-out is in force"))
    for row in result.ended:
        say(f"{address}  ended: {_row_text(row)}")
    for row in result.in_force:
        say(f"{address}  remains in force: {_row_text(row)}")
    for row in result.ahead:
        received = time_text(row.received_at)
        say(
            f"{address}  it was received at {received}, which is ahead of this machine's clock: set the clocks right, "
            "then run this command again"
        )


def _row_text(row: OptOutRow) -> str:
    return f"{visible(scope_text(row.channel, row.sender))}, since {time_text(row.opted_out_at)} ({row.source})"
