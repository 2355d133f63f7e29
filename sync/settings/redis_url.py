"""Reads a Redis URL: what it says is done, or refused by name. Nothing of it is dropped in silence. Pure."""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

# What clients of Redis take for "do not verify the certificate", or not always.
_NO_VERIFICATION = frozenset({"none", "cert_none", "optional", "cert_optional", "false", "no", "0"})
_SET_BY_US = frozenset(
    {
        "client_name",
        "decode_responses",
        "encoding",
        "health_check_interval",
        "max_connections",
        "protocol",
        "retry_on_error",
        "retry_on_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_timeout",
        "timeout",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_DATABASE = re.compile(r"[0-9]{1,9}")


class RedisUrlError(ValueError):
    """A URL cannot be used; the text says why in one line that begins with a verb, and quotes no secret."""


def read_redis_url(text: str) -> str:
    """Return the URL with its database in its path. Raises RedisUrlError."""
    parts = _parts(text)
    if parts is None:
        raise RedisUrlError("is not a redis:// or rediss:// URL")
    if parts.fragment or "@" in parts.query:
        raise RedisUrlError("has a ? or # that begins no parameter: in a password write %3F or %23")
    databases = [parts.path[1:]] if parts.path not in ("", "/") else []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name != "db":
            raise RedisUrlError(_refusal(name, value))
        databases.append(value)
    if not all(map(_DATABASE.fullmatch, databases)):
        raise RedisUrlError("names a database that is no number: end it with /5, for example")
    if len(set(map(int, databases))) > 1:
        raise RedisUrlError("names two databases: give one, as /5 or ?db=5")
    path = f"/{databases[0]}" if databases else parts.path
    return parts._replace(path=path, query="").geturl()


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        is_usable = url.startswith(("redis://", "rediss://")) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None


def _refusal(name: str, value: str) -> str:
    if name in ("ssl_cert_reqs", "ssl_check_hostname"):
        verify = "false" if value.strip().lower() in _NO_VERIFICATION else "true"
        way_out = f"set REDIS_TLS_VERIFY={verify} instead"
    elif name.startswith("ssl"):
        way_out = "use rediss:// for TLS, and REDIS_TLS_VERIFY=true or false"
    elif name in ("username", "password"):
        way_out = "write it before the host instead, as in redis://username:password@host"
    elif name in _SET_BY_US:
        way_out = "leave it out, zexa-sync sets it itself"
    else:
        way_out = "leave it out, only ?db= is read"
    # What no person would call a parameter may be a part of a password.
    return f"has the parameter {name if _NAME.fullmatch(name) else 'of an unusual name'}: {way_out}"
