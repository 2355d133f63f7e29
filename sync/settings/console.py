"""Reads the settings of the console, which is off unless ZEXA_CONSOLE_KEY is set."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sync.settings.environment import SettingError

if TYPE_CHECKING:
    from sync.events.interpretation import ParseOptions

KEY_CHARACTERS_MIN = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """The console is on. `key` signs its sessions; `parse_options` are those of the workers."""

    key: bytes = field(repr=False)
    parse_options: "ParseOptions"


def read_console(environ: Mapping[str, str]) -> ConsoleSettings | None:
    """Return what ZEXA_CONSOLE_KEY turns on, None if it is unset or blank. Raises SettingError."""
    key = environ.get("ZEXA_CONSOLE_KEY", "").strip()
    if not key:
        return None
    if len(key) < KEY_CHARACTERS_MIN:
        raise SettingError(
            f"ZEXA_CONSOLE_KEY has fewer than {KEY_CHARACTERS_MIN} characters: make one with `openssl rand -hex 32`, "
            "or leave it unset to turn the console off"
        )
    # Loads what is known of phone numbers, which nothing else of this process needs.
    from sync.settings.worker import read_parse_options  # noqa: PLC0415

    return ConsoleSettings(key=os.fsencode(key), parse_options=read_parse_options(environ))
