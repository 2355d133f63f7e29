"""The names of all settings, so that a misspelt one stops a process instead of being ignored."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from sync.settings.environment import SettingError

PREFIX = "ZEXA_"
# Some come with later versions: a setting that is set early is not misspelt.
SECRETS = (
    "ZEXA_WEBHOOK_SECRET",
    "ZEXA_RETIRED_SECRETS",
    "ZEXA_API_KEY",
    "ZEXA_LOOKUP_TOKEN",
    "ZEXA_FORGET_KEY",
    "ZEXA_CONSOLE_KEY",
)
KNOWN = (
    *SECRETS,
    *(f"{name}_FILE" for name in SECRETS),
    "ZEXA_DATABASE_SCHEMA",
    "ZEXA_BIND",
    "ZEXA_DEFAULT_REGION",
    "ZEXA_API_URL",
    "ZEXA_BATCH_SIZE",
    "ZEXA_JOURNAL",
    "ZEXA_OPT_OUT_FAILURES",
    "ZEXA_REPORT_TIMEZONE",
    "ZEXA_BODY_RETENTION_DAYS",
    "ZEXA_RECONCILE",
)
NAME_CHARACTERS_MAX = 60
_OF_TESTS = ("ZEXA_TEST_", "ZEXA_ORACLE_")
# Kubernetes and Docker describe a service called `zexa…` to its neighbours by variables of these forms:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_OF_A_SERVICE = re.compile(r"ZEXA_(?:.*_)?(?:SERVICE_(?:HOST|PORT)(?:_.*)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_.*)?)")
_ADDRESS_OF_A_SERVICE = re.compile(r"(?:tcp|udp|sctp)://.*")


def require_known_names(environ: Mapping[str, str]) -> None:
    """Raise SettingError if a variable that begins with ZEXA_ is no setting. An empty one counts as unset."""
    unknown = sorted(name for name, value in environ.items() if value.strip() and _is_misspelt(name, value))
    if unknown:
        raise SettingError("; ".join(map(_refusal, unknown[:3])))


def _is_misspelt(name: str, value: str) -> bool:
    if not name.upper().startswith(PREFIX) or name in KNOWN or name.startswith(_OF_TESTS):
        return False
    is_of_a_service = name.endswith("_PORT") and _ADDRESS_OF_A_SERVICE.fullmatch(value)
    return not (is_of_a_service or _OF_A_SERVICE.fullmatch(name))


def _refusal(name: str) -> str:
    nearest = get_close_matches(
        name.upper().removeprefix(PREFIX), [setting.removeprefix(PREFIX) for setting in KNOWN], n=1
    )
    way_out = f"did you mean {PREFIX}{nearest[0]}?" if nearest else ".env.example lists the settings"
    return f"{ascii(name)[1:-1][:NAME_CHARACTERS_MAX]} is no setting: {way_out}"
