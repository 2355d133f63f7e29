"""How bodies are read, as far as the customer decides it. Pure.

What a body states depends on these choices, so every process of an installation must have the same. After a change
`zexa-sync rebuild` reads the ledger anew.
"""

import re
from dataclasses import dataclass, field

from sync.events.forget_keys import ForgetKey

_NUMERIC = re.compile(r"[+-]?0*(\d+)(?:\.0*)?", re.ASCII)


def failure_key(text: str) -> str:
    """Return a code or reason as failures are compared: in casefolded text, a number without zeros that say nothing."""
    number = _NUMERIC.fullmatch(text.strip())
    return number[1] if number else " ".join(text.split()).casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseOptions:
    """`default_region` is the ISO 3166 code of numbers without a country code.

    `opt_out_failures` are the codes and reasons of failed messages by which a carrier says that the recipient has
    opted out, each as `failure_key` returns it. `forget_keys` tell whose bodies are not kept, the first for new hashes.
    """

    default_region: str
    opt_out_failures: frozenset[str] = frozenset()
    forget_keys: tuple[ForgetKey, ...] = field(default=(), repr=False)
