"""E-mail addresses: one text for every spelling of one. Pure.

Local parts are compared without case, as every large provider does. Domains are mapped by
https://www.unicode.org/reports/tr46/ and written in ASCII.
"""

import re
import unicodedata

import idna

from sync.events.written_text import QUOTES

# Of letters beyond ASCII only those of which folding makes nothing else, as in `graça`.
_PLAIN = re.compile(r"[a-z0-9._+\-\u00e0-\u00f6\u00f8-\u00ff]+@[a-z0-9\-]+(?:\.[a-z0-9\-]+)+")
_EMAIL = re.compile(r"[^@\s,;:<>()\[\]|\"\x00-\x1f\x7f]+@[^@\s,;:<>()\[\]|\"\x00-\x1f\x7f]+")
_QUOTED = re.compile(r'"([^"@]+)"(@.*)')
_ROUNDS = 4


def quickly_folded_email(text: str) -> str | None:
    """Return what `folded_email` surely makes of the commonest form of an e-mail address; None if that must tell."""
    folded = text.lower()
    return folded if _PLAIN.fullmatch(folded) else None


def folded_email(text: str) -> str | None:
    """Return the one spelling of an e-mail address that is visible and unwrapped; None if `text` is none."""
    if quoted := _QUOTED.fullmatch(text):
        text = (quoted[1] + quoted[2]).strip(QUOTES)
    # Folding may give a character that folds again, for a few of Unicode's letters.
    for _ in range(_ROUNDS):
        local, at, domain = text.rpartition("@")
        folded = f"{_caseless(local)}{at}{_in_ascii(domain)}"
        if not _EMAIL.fullmatch(folded):
            return None
        if folded == text:
            return text
        text = folded
    return None


def _caseless(text: str) -> str:
    return (
        text.lower()
        if text.isascii()
        else unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    )


def _in_ascii(domain: str) -> str:
    """Return `domain` in ASCII and lower case; '' if it can be none. Signs that no registry allows, such as emoji,
    are written like any other: there is mail to them."""
    if not domain.isascii():
        try:
            domain = idna.uts46_remap(domain, std3_rules=False)
        except idna.IDNAError:
            return ""
    labels = domain.lower().removesuffix(".").split(".")
    if "" in labels:
        return ""
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)
