"""Reads the options of `zexa-sync simulate`. What cannot be meant is refused before anything is sent."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import click
from yarl import URL

from receiver.requests import PATH
from sync.events import EARLIEST, LATEST, EventType
from sync.simulator.traffic import KINDS, SPAN


def read_share(_context: click.Context, _option: click.Parameter, given: str) -> float:
    """Read `10%` or `0.1`."""
    try:
        share = float(given[:-1]) / 100 if given.endswith("%") else float(given)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise click.BadParameter("give a share from 0% to 100%, for example 10% or 0.1")
    return share


def read_kinds(_context: click.Context, _option: click.Parameter, given: str | None) -> frozenset[EventType]:
    """Read names of events, long or short, between commas; all where none is given."""
    if given is None:
        return frozenset(EventType)
    known: Mapping[str, EventType] = KINDS | {kind.value: kind for kind in EventType}
    names = [name.strip() for name in given.split(",")]
    if not all(name in known for name in names):
        raise click.BadParameter(f"give event names, or short ones of {', '.join(KINDS)}, separated by commas")
    return frozenset(known[name] for name in names)


def read_start(_context: click.Context, _option: click.Parameter, given: str | None) -> datetime:
    """Read a time; without one, events of the two hours up to now."""
    if given is None:
        return datetime.now(UTC).replace(microsecond=0) - SPAN
    try:
        start = datetime.fromisoformat(given)
        start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
        is_usable = EARLIEST <= start <= LATEST - timedelta(days=1)
    except (ValueError, OverflowError):
        is_usable = False
    if not is_usable:
        raise click.BadParameter("give a time of this century such as 2026-06-24T10:00:00Z")
    return start


def read_number(_context: click.Context, _option: click.Parameter, given: float) -> float:
    """Refuse what click lets through: infinity and not-a-number."""
    if not 0 <= given <= 1_000_000:
        raise click.BadParameter("give a number from 0 to 1000000")
    return given


def read_url(_context: click.Context, _argument: click.Parameter, given: str) -> URL:
    """Read a URL, or a host and port; PATH is added where there is no path."""
    try:
        url = URL(given if "://" in given else f"http://{given}")
        is_usable = url.scheme in ("http", "https") and bool(url.raw_host) and bool(url.port)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise click.BadParameter("give a URL such as http://127.0.0.1:8000")
    return url if url.path not in ("", "/") else url.with_path(PATH)


def is_loopback(url: URL) -> bool:
    """Say whether `url` is surely of this machine. Names are not looked up: what one means can change."""
    host = url.raw_host or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
