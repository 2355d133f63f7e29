"""Reads http:// and https:// URLs. Pure."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def split_http_url(text: str) -> SplitResult | None:
    """Return the parts of a URL with a host, None if `text` is none or has what no request could carry."""
    try:
        parts = urlsplit(text)
        (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError:
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    # Python takes what stands between a bracket and the port for nothing.
    is_whole = parts.netloc.rpartition("@")[2].lower() == (host if port is None else f"{host}:{port}")
    is_usable = parts.scheme in DEFAULT_PORTS and bool(host) and port != 0 and is_whole
    return parts if is_usable and text.isascii() and text.isprintable() and " " not in text else None


def is_loopback_host(host: str) -> bool:
    """Return whether `host`, without brackets, is surely this machine. Names are not looked up: their meaning changes.

    `localhost` is this machine by RFC 6761.
    """
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
