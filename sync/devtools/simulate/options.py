"""Reads the options of `zexa-sync simulate` and `send`. What cannot be meant is refused before anything is sent."""

import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import click
from yarl import URL

from receiver.server.paths import DELIVERY_PATH
from sync.devtools.simulate.traffic import KINDS, SPAN
from sync.events.event import EventType
from sync.events.times import EARLIEST, LATEST
from sync.settings.environment import SettingError, read_whole_number
from sync.settings.http_urls import is_loopback_host
from sync.settings.listening import DEFAULT_PORT
from sync.settings.webhook_secrets import read_secrets
from sync.terminal.options import WrongUse
from sync.terminal.times import read_time


def read_share(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """Read `10%` or `0.1`."""
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise click.BadParameter("give a share from 0% to 100%, for example 10% or 0.1")
    return share


def read_kinds(_context: click.Context, _option: click.Parameter, text: str | None) -> frozenset[EventType]:
    """Read names of events, long or short, between commas; all if none is given."""
    if text is None:
        return frozenset(EventType)
    kinds: Mapping[str, EventType] = KINDS | {kind.value: kind for kind in EventType}
    names = [name.strip() for name in text.split(",")]
    if not all(name in kinds for name in names):
        raise click.BadParameter(f"give event names, or short ones of {', '.join(KINDS)}, separated by commas")
    return frozenset(kinds[name] for name in names)


def read_start(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime:
    """Read a time; without one, events of the two hours up to now."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0) - SPAN
    start = read_time(text)
    if start is None or not EARLIEST <= start <= LATEST - timedelta(days=1):
        raise click.BadParameter("give a time of this century such as 2026-06-24T10:00:00Z")
    return start


def read_number(_context: click.Context, _option: click.Parameter, number: float) -> float:
    """Refuse what click lets through: infinity and not-a-number."""
    if not 0 <= number <= 1_000_000:
        raise click.BadParameter("give a number from 0 to 1000000")
    return number


def read_url(_context: click.Context, _argument: click.Parameter, text: str | None) -> URL:
    """Read a URL, or a host and port; PATH is added if there is no path. Without one, the receiver on this machine."""
    if text is None:
        port = read_whole_number(os.environ, "PORT", default=DEFAULT_PORT, least=1, most=65535)
        return URL(f"http://127.0.0.1:{port}{DELIVERY_PATH}")
    try:
        url = URL(text if "://" in text else f"http://{text}")
        is_usable = url.scheme in ("http", "https") and bool(url.raw_host) and bool(url.port)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise click.BadParameter("give a URL such as http://127.0.0.1:8000")
    return url if url.path not in ("", "/") else url.with_path(DELIVERY_PATH)


def read_event(_context: click.Context, _option: click.Parameter, text: str) -> EventType:
    """Read the name of one event, long or short."""
    kinds: Mapping[str, EventType] = KINDS | {kind.value: kind for kind in EventType}
    if text.strip() not in kinds:
        raise click.BadParameter(f"give one of {', '.join(KINDS)}, or a full name such as message.delivered")
    return kinds[text.strip()]


def require_own_machine(url: URL, *, allow_remote: bool) -> None:
    """Raise WrongUse if `url` is another machine and that is not allowed."""
    if not allow_remote and not is_loopback_host(url.raw_host or ""):
        raise WrongUse(f"{url.raw_host} is not this machine: give --allow-remote if it is a server of yours")


def signing_secret(text: str) -> bytes:
    """Return the first of the secrets in `text`, which the receiver takes too; raise WrongUse if there is none."""
    try:
        return read_secrets({"ZEXA_WEBHOOK_SECRET": text})[0]
    except SettingError:
        raise WrongUse("no secret to sign with: set ZEXA_WEBHOOK_SECRET, as for the receiver") from None
