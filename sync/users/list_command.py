"""`zexa-sync users list`: who may sign in to the console."""

import json
from collections.abc import Sequence
from typing import Any

import click

from sync.terminal.options import JSON
from sync.terminal.stores import database
from sync.terminal.text import say, table_text, value_text
from sync.terminal.times import iso_text
from sync.users.accounts import Account, accounts


@click.command(name="list")
@JSON
def list_users(as_json: bool) -> None:
    """Show everybody who may sign in to the console, or could before they were disabled.

    \b
    For example:
      zexa-sync users list

    Exit status: 0, also if there is nobody, 1 on a failure, 2 on wrong use. Reads DATABASE_URL.
    """
    with database(is_read_only=True) as engine, engine.connect() as connection:
        everybody = accounts(connection)
    if as_json:
        say(json.dumps({"users": [account_document(account) for account in everybody]}, indent=2))
    else:
        say(accounts_text(everybody))


def account_document(account: Account) -> dict[str, Any]:
    """Return an account as JSON's types."""
    return {
        "name": account.name,
        "role": account.role,
        "is_disabled": account.is_disabled,
        "has_password": account.has_password,
        "created_at": iso_text(account.created_at),
        "signed_in_at": iso_text(account.signed_in_at),
    }


def accounts_text(everybody: Sequence[Account]) -> str:
    """Return a table of everybody."""
    if not everybody:
        return "Nobody may sign in to the console: add somebody with `zexa-sync users add NAME`."
    names = ("name", "role", "may sign in", "password", "added", "signed in")
    rows = [
        [
            account.name,
            account.role,
            value_text(not account.is_disabled),
            "set" if account.has_password else "not set yet",
            value_text(account.created_at.replace(microsecond=0)),
            value_text(account.signed_in_at and account.signed_in_at.replace(microsecond=0)),
        ]
        for account in everybody
    ]
    return table_text(names, rows)
