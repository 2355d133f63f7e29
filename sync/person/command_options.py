"""What the subcommands share: whom an argument means, and the stores they ask."""

import os

import click

from models.forget_keys import require_forget_keys
from sync.events.addresses import AddressProblem, is_placeholder, read_on_any
from sync.events.naming import names_any
from sync.person.find import BODIES_LOOKED_AT, Holdings, find_person
from sync.person.search import search_queue
from sync.queue.connection import opened_queue
from sync.settings.environment import read_redis_settings
from sync.settings.worker import read_parse_options
from sync.terminal.options import WrongUse
from sync.terminal.stores import database

REDIS_SECONDS = 2
# Every dead letter is read.
EXPORT_SECONDS = 600
SHOW_SECONDS = 30


def held_about(address: str, *, limit: int | None) -> Holdings:
    """Return what the stores of the environment hold about the person meant; `limit` is that of `find_person`.

    The queue is asked first: what a worker takes from there meanwhile is found in the database. Raises
    ForgetKeyMissing: without the key of a forgotten person nobody knows what is held about them.
    """
    options = read_parse_options(os.environ)
    reading = read_on_any(None, address, options.default_region)
    if not reading.addresses or is_placeholder(address):
        raise WrongUse(f"nobody's address: {reading.problem or AddressProblem.NO_ADDRESS}")
    names = names_any({person.person for person in reading.addresses}, options.default_region)
    with opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue:
        waiting = search_queue(queue, names, at_most=None if limit is None else BODIES_LOOKED_AT)
    seconds = EXPORT_SECONDS if limit is None else SHOW_SECONDS
    with database(is_read_only=True, statement_seconds=seconds) as engine:
        require_forget_keys(engine, {key.key_id for key in options.forget_keys})
        holdings = find_person(engine, reading.addresses, waiting, options=options, limit=limit)
    if reading.problem is not None and not holdings.is_anything:
        # Slack takes any text for an id: without a message there, the text is a misspelt number or address.
        raise WrongUse(f"nobody's address: {reading.problem}")
    if len([address for address in holdings.people if address.text[0] == "+"]) > 1:
        click.echo("this number may be two people's, and both are shown: give it with a plus", err=True)
    return holdings
