"""How bodies are read, as far as the customer decides it. Pure.

What a body states depends on these choices, so every process of an installation must have the same, and after a
change `zexa-sync rebuild` reads the ledger anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`default_region` is the ISO 3166 code of numbers without a country code.

    `opt_out_failures` are the codes and reasons of failed messages by which a carrier says that the recipient has
    opted out; a reason is in casefolded text.
    """

    default_region: str
    opt_out_failures: frozenset[str] = frozenset()
