"""Which URL and which events can be registered: what the API would refuse is refused before it is asked. Pure."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from sync.events.event import EventType
from sync.events.raw import letters_of
from sync.events.values import ID_BYTES_MAX
from sync.settings.http_urls import DEFAULT_PORTS, is_loopback_host, split_http_url

ALL = "*"
URL_LENGTH_MAX = ID_BYTES_MAX  # of a key that PostgreSQL can index
_BY_LETTERS = {letters_of(event.encode()): event.value for event in EventType}
_EXAMPLE = "give the whole URL, such as https://example.com/webhooks/zexa"
_TUNNEL = (
    "a proxy that ends TLS gives a server such an address, and a tunnel a laptop, for example "
    "`cloudflared tunnel --url http://127.0.0.1:8000`: give its address with /webhooks/zexa at the end"
)


class CannotRegister(ValueError):  # noqa: N818 - an answer
    """The text says why, and what to give instead, in one line that does not quote the URL."""


def webhook_url(text: str, *, api_url: str) -> str:
    """Return the URL as it is registered, so that one webhook has one spelling. Raises CannotRegister.

    A provider on this machine (`api_url`) reaches this machine, without TLS too; any other needs a public address.
    """
    parts = split_http_url(text.strip())
    if not text.isascii():
        raise CannotRegister("the URL has a letter beyond ASCII: write its host with xn--, and its path with %")
    if len(text) > URL_LENGTH_MAX:
        raise CannotRegister(f"the URL is longer than {URL_LENGTH_MAX:,} characters: {_EXAMPLE}")
    if parts is None:
        raise CannotRegister(f"the URL is no https:// address with a host: {_EXAMPLE}")
    if parts.username is not None or parts.password is not None:
        raise CannotRegister("the URL has a user or a password, which Zexa cannot send: leave them out")
    if parts.fragment:
        raise CannotRegister("the URL has a #, and what follows it is never sent: leave it out")
    host = parts.hostname or ""
    is_at_home = is_loopback_host(host) and is_loopback_host(urlsplit(api_url).hostname or "")
    if parts.scheme != "https" and not is_at_home:
        raise CannotRegister(f"Zexa takes https:// URLs only: {_TUNNEL}")
    if not is_at_home and _is_hidden(host):
        raise CannotRegister(f"Zexa cannot reach this host from the internet: {_TUNNEL}")
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{port}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_hidden(host: str) -> bool:
    """Return whether `host` is surely known on this machine or its network only."""
    if _is_ip(host):
        return not ip_address(host).is_global
    return is_loopback_host(host) or "." not in host or host.endswith((".localhost", ".local", ".internal"))


def webhook_events(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of events as the API has them, sorted; ("*",) for all, which is also what no name means.

    Names are compared without case, blanks and separators. Raises CannotRegister.
    """
    stripped = [name.strip() for name in names] or [ALL]
    events = [ALL if name == ALL else _BY_LETTERS.get(letters_of(name.encode("utf-8", "replace"))) for name in stripped]
    if None in events:
        raise CannotRegister(f"an event is none that Zexa has: give one of {', '.join(EventType)}, or * for all")
    return (ALL,) if ALL in events else tuple(sorted({event for event in events if event}))


def shown_url(url: str) -> str:
    """Return `url` for a screen: its query may be a secret, and so may a user, which a dashboard may have taken."""
    before, mark, _ = url.partition("?")
    scheme, slashes, rest = before.partition("//")
    host, slash, path = rest.partition("/")
    before = f"{scheme}{slashes}…{host[host.rfind('@') :]}{slash}{path}" if "@" in host else before
    return f"{before}?…" if mark else before
