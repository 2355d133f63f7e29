"""`zexa-sync webhooks list`: webhooks as recorded here, and the provider's, if it lists them."""

import json
import os
import sys

import click

from sync.provider.client import ListedWebhook, ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure
from sync.provider.webhooks.registrations import registrations
from sync.provider.webhooks.text import list_document, list_text
from sync.settings.environment import SettingError
from sync.settings.provider import ProviderSettings
from sync.terminal.options import JSON
from sync.terminal.stores import database
from sync.terminal.text import say


@click.command("list")
@JSON
def list_(as_json: bool) -> None:
    """Show the webhooks that were registered from here, and those that Zexa lists.

    \b
    For example:
      zexa-sync webhooks list
      zexa-sync webhooks list --json

    Zexa documents no list: if it has none, that is said, and no failure. What stands in the query of a URL is not
    shown.

    Exit status: 0, also if the provider lists none or ZEXA_API_KEY is not set; 1 if it was asked and failed; 2 on wrong
    use. Reads DATABASE_URL, ZEXA_API_KEY and ZEXA_API_URL.
    """
    with database(is_read_only=True) as engine, engine.connect() as connection:
        ours = registrations(connection)
    listed, sentence, is_failed = _listed()
    document = list_document(ours, listed, sentence)
    say(json.dumps(document, indent=2) if as_json else list_text(ours, listed, sentence))
    sys.exit(1 if is_failed else 0)


def _listed() -> tuple[list[ListedWebhook] | None, str | None, bool]:
    """Return the provider's webhooks; if there are none to show, a sentence that says why, and whether it failed."""
    if not os.environ.get("ZEXA_API_KEY", "").strip():
        return None, "not asked for, as ZEXA_API_KEY is not set", False
    try:
        with ProviderClient(ProviderSettings.read(os.environ)) as client:
            return client.list_webhooks(), None, False
    except SettingError:
        raise
    except ProviderError as error:
        return None, str(error), error.failure is not ProviderFailure.NOT_OFFERED
