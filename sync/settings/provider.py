"""Reads the key and the address of the provider's REST API."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from sync.settings.environment import SettingError
from sync.settings.http_urls import is_loopback_host, split_http_url

DEFAULT_API_URL = "https://api.zexa.ao/v1"
# What a header can carry as one word.
_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """`api_url` is the base of the API, without a slash at its end."""

    api_key: str = field(repr=False)
    api_url: str = DEFAULT_API_URL

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Raise SettingError, one line that quotes neither of them, if one is missing or wrong."""
        return cls(api_key=_read_key(environ), api_url=read_api_url(environ))


def _read_key(environ: Mapping[str, str]) -> str:
    key = environ.get("ZEXA_API_KEY", "").strip()
    if not key:
        raise SettingError("ZEXA_API_KEY is not set: make a key in Zexa's dashboard and copy it from there")
    if not _KEY.fullmatch(key):
        raise SettingError("ZEXA_API_KEY has a blank or a character that no key has: copy it again from the dashboard")
    return key


def read_api_url(environ: Mapping[str, str]) -> str:
    """Return ZEXA_API_URL, or the provider's own. The key goes there, so only a server on this machine needs no TLS."""
    text = environ.get("ZEXA_API_URL", "").strip() or DEFAULT_API_URL
    parts = split_http_url(text)
    if parts is None or parts.query or parts.fragment:
        raise SettingError(f"ZEXA_API_URL is not the address of an API, such as {DEFAULT_API_URL}: or leave it unset")
    if parts.username is not None or parts.password is not None:
        raise SettingError("ZEXA_API_URL has a user or a password: leave them out, ZEXA_API_KEY is all that Zexa asks")
    if parts.scheme != "https" and not is_loopback_host(parts.hostname or ""):
        raise SettingError("ZEXA_API_URL has no TLS, and the key would be read on its way: use https://")
    return text.rstrip("/")
