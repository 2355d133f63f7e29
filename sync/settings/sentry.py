"""Reads SENTRY_DSN, which says where Sentry takes errors. Sentry's SDK is not loaded for that."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sync.settings.environment import SettingError

# https://KEY@HOST/PROJECT, perhaps with a path before the project: https://develop.sentry.dev/sdk/overview/#parsing-the-dsn
_PATH = re.compile(r"/(?:[^\s?#]*/)?[0-9]+/?")


def read_sentry_dsn(environ: Mapping[str, str]) -> str | None:
    """Return SENTRY_DSN, None if it is unset or blank. Raises SettingError, which quotes nothing of it."""
    text = environ.get("SENTRY_DSN", "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        is_dsn = (
            parts.scheme in ("http", "https")
            and bool(parts.username and parts.hostname and _PATH.fullmatch(parts.path))
            and not (parts.query or parts.fragment)
            and parts.port != 0
        )
    except ValueError:
        is_dsn = False
    if not is_dsn:
        raise SettingError("SENTRY_DSN is not a DSN such as https://KEY@HOST/PROJECT: copy it from Sentry, Client Keys")
    return text
