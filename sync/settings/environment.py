"""Reads the settings that every process shares from environment variables.

A wrong one raises SettingError whose text is one line naming the setting, never a secret's value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.events.interpretation import failure_key
from sync.settings.redis_url import RedisUrlError, read_redis_url


class SettingError(Exception):
    """A setting is missing or wrong; the text is one line for the person who starts the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    url: str = field(repr=False)
    verify_tls: bool


def read_redis_settings(environ: Mapping[str, str]) -> RedisSettings:
    """Return REDIS_URL and whether its certificate is verified.

    Hosted Redis on Heroku signs its own certificates, so there verification is off unless asked for.
    """
    try:
        url = read_redis_url(_required(environ, "REDIS_URL", "for example redis://localhost:6379/0"))
    except RedisUrlError as error:
        raise SettingError(f"REDIS_URL {error}") from None
    text = environ.get("REDIS_TLS_VERIFY", "").strip().lower()
    if text not in ("", "true", "false"):
        raise SettingError("REDIS_TLS_VERIFY is neither true nor false")
    if text == "true" and url.startswith("redis://"):
        raise SettingError("REDIS_TLS_VERIFY is true, but REDIS_URL has no TLS: use rediss://")
    return RedisSettings(url=url, verify_tls=text == "true" if text else not is_on_dyno(environ))


def is_on_dyno(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs on Heroku, which sets DYNO."""
    return bool(environ.get("DYNO", "").strip())


def read_whole_number(environ: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    """Return the setting `name`, or `default` if it is unset or blank."""
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise SettingError(f"{name} is not a whole number from {least} to {most}")
    return int(text)


def read_switch(environ: Mapping[str, str], name: str) -> bool:
    """Return whether the setting `name` is 1; 0, unset or blank is off."""
    text = environ.get(name, "").strip() or "0"
    if text not in ("0", "1"):
        raise SettingError(f"{name} is neither 1 nor 0")
    return text == "1"


def read_entries(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return what stands between the commas of the setting `name`, without blanks around; none if it is unset.

    An empty entry among others is a mistake: what was meant to stand there would be missed in silence.
    """
    entries = [entry.strip() for entry in environ.get(name, "").split(",")]
    if entries == [""]:
        return ()
    if not all(entries):
        raise SettingError(f"{name} has an empty entry: there is a comma too many, or something is missing")
    return tuple(entries)


def read_opt_out_failures(environ: Mapping[str, str]) -> frozenset[str]:
    """Return ZEXA_OPT_OUT_FAILURES: codes and reasons of failures, between commas, that say "has opted out"."""
    return frozenset(map(failure_key, read_entries(environ, "ZEXA_OPT_OUT_FAILURES")))


def _required(environ: Mapping[str, str], name: str, hint: str) -> str:
    text = environ.get(name, "").strip()
    if not text:
        raise SettingError(f"{name} is not set: {hint}")
    return text
