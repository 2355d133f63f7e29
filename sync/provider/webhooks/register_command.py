"""`zexa-sync webhooks register`: once for each URL, and with proof that deliveries arrive."""

import os
import sys
import time

import click

from sync.events.event import EventType
from sync.provider.errors import ProviderError
from sync.provider.webhooks.follow_probe import check_probe
from sync.provider.webhooks.lock import Busy
from sync.provider.webhooks.prove import RegistrationRun
from sync.provider.webhooks.register import MayExist, NothingMade, RegisteredWebhook
from sync.provider.webhooks.text import (
    ANOTHER_SECRET,
    already_text,
    may_exist_text,
    none_came_text,
    probe_text,
    registered_text,
    verified_text,
)
from sync.provider.webhooks.urls import CannotRegister, webhook_events, webhook_url
from sync.queue.connection import QueueUnavailable
from sync.settings.environment import RedisSettings, read_redis_settings
from sync.settings.provider import ProviderSettings
from sync.settings.webhook_secrets import read_known_secrets, read_secrets
from sync.terminal.findings import Severity
from sync.terminal.options import FiniteRange, WrongUse
from sync.terminal.program import as_invoked
from sync.terminal.stores import database
from sync.terminal.text import say

WAIT_SECONDS = 30.0
WAIT_SECONDS_MAX = 3600.0
PROBE_SECONDS = 15.0


@click.command()
@click.option("--url", required=True, metavar="URL", help="The webhook's public address.")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="NAME",
    help=f"Only this event; give it several times for several. One of {', '.join(EventType)}, or *.  [default: *]",
)
@click.option(
    "--wait",
    type=FiniteRange(0, WAIT_SECONDS_MAX),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for Zexa's test event; 0 proves nothing, for release steps.",
)
@click.option("--again", is_flag=True, help="Register anew, though one exists or may exist. The new one comes first.")
def register(url: str, events: tuple[str, ...], wait: float, again: bool) -> None:
    """Register the webhook at Zexa, once for each URL, and prove that its deliveries arrive.

    \b
    For example:
      zexa-sync webhooks register --url https://example.com/webhooks/zexa
      zexa-sync webhooks register --url https://example.com/webhooks/zexa --event message.optout --wait 60
      zexa-sync webhooks register --url https://example.com/webhooks/zexa --wait 0

    However often and from however many processes it runs, there is one webhook for each URL. With other events, or
    --again, a new one is made before the old one is deleted. If an answer did not come, a webhook may exist. If Zexa
    does not list webhooks either, the next run says since when, and needs --again.

    Proved is that a signed delivery of Zexa's arrived through the public address. If no test event comes, zexa-sync
    sends a signed probe the same way. Then the first delivery proves the secret, and the next run says so. Run it with
    the environment of web, which has to run by then.

    Exit status: 0 if it is registered and proved; 1 if not, or if Zexa refused or failed; 2 on wrong use. It is also 0
    if only the secret is not proved yet, and with --wait 0 once it is registered. Reads ZEXA_API_KEY, ZEXA_API_URL,
    DATABASE_URL and, unless it waits for nothing, REDIS_URL and ZEXA_WEBHOOK_SECRET.
    """
    settings = ProviderSettings.read(os.environ)
    try:
        target, names = webhook_url(url, api_url=settings.api_url), webhook_events(events)
    except CannotRegister as error:
        raise WrongUse(str(error)) from None
    secrets = read_secrets(os.environ) if wait else read_known_secrets(os.environ) or ()
    with (
        database() as engine,
        RegistrationRun(engine=engine, settings=settings, redis=_redis(wait), secrets=secrets) as run,
    ):
        registered = _registered(run, target, names, again=again)
        say(registered_text(registered))
        is_well = _is_proved(run, registered) or not wait or _proves(run, registered, wait)
    sys.exit(0 if is_well else 1)


def _redis(wait: float) -> RedisSettings | None:
    """Return where Redis is; a release step that proves nothing may do without."""
    return read_redis_settings(os.environ) if wait or os.environ.get("REDIS_URL", "").strip() else None


def _registered(run: RegistrationRun, url: str, events: tuple[str, ...], *, again: bool) -> RegisteredWebhook:
    try:
        return run.register(url, events, again=again)
    except MayExist as error:
        sentence = may_exist_text(error)
    except NothingMade as error:
        sentence = f"{error}; nothing was registered, as the provider's list shows"
    except ProviderError as error:
        sentence = f"{error}; nothing was registered"
    except Busy:
        sentence = "another process registers at the moment, and does not come to an end: run it again"
    raise click.ClickException(as_invoked(sentence))


def _is_proved(run: RegistrationRun, registered: RegisteredWebhook) -> bool:
    registration = registered.registration
    if registered.is_new or not run.is_proved(registration):
        return False
    say(already_text(registration, run.position(registration), len(run.secrets)))
    return True


def _proves(run: RegistrationRun, registered: RegisteredWebhook, wait: float) -> bool:
    """Wait for a delivery, else send a probe; return whether the webhook works as far as that can be known."""
    click.echo(f"waiting up to {wait:g} s for a delivery of Zexa's, such as its test event", err=True)
    try:
        evidence = run.wait(registered, wait)
    except (QueueUnavailable, ValueError) as error:  # ValueError: a name that no name server would be asked for
        say(f"Redis does not answer ({type(error).__name__}), so that no delivery can be seen")
    else:
        if evidence.proved_at:
            say(verified_text(evidence, registered.registration, len(run.secrets)))
            return True
        if evidence.refused:
            say(ANOTHER_SECRET[evidence.refused])
            return False
        say(none_came_text(wait))
    url, until = registered.registration.url, time.monotonic() + PROBE_SECONDS
    (check,) = check_probe(url, run.secrets[0], run.engine.url, run.queue, until)
    is_ok = check.status is Severity.OK
    say(as_invoked(probe_text(check.found, check.remedy, is_ok=is_ok)))
    return is_ok
