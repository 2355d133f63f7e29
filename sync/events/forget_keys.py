"""The keyed hashes that stay of forgotten people. Pure, and without what is known of addresses.

There are so few telephone numbers that a plain hash of each can be worked out within seconds. So every hash is keyed:
HMAC-SHA256, with a word for what is hashed, so that no hash of one kind is one of another.
"""

import hmac
import re
from functools import lru_cache

from msgspec import Struct

PSEUDONYM = "forgotten:"
KEYED = "keyed:"
_HASH = re.compile(r"(?:forgotten|keyed):[0-9a-f]{64}")
_ID_CHARACTERS = 16


class ForgetKey(Struct, frozen=True, gc=False):
    """One key of ZEXA_FORGET_KEY. `key_id` tells which key a row needs, and says nothing of the key."""

    secret: bytes
    key_id: str

    @classmethod
    def from_secret(cls, secret: bytes) -> "ForgetKey":
        """Return the key that this secret is."""
        return cls(secret, _hmac(secret, "key id", "")[:_ID_CHARACTERS])

    def __repr__(self) -> str:
        return f"ForgetKey({self.key_id!r})"

    def pseudonym(self, person: str) -> str:
        """Return what stands for a person, as `person_of` has them, in place of every address."""
        return PSEUDONYM + _hmac(self.secret, "person", person)

    def keyed_digest(self, digest: str) -> str:
        """Return what stands for a body's digest: by a plain one the number is found if all else of a body is known."""
        return KEYED + _hmac(self.secret, "digest", digest)

    def keyed_id(self, text: str) -> str:
        """Return what stands for an id or a name that names a person."""
        return KEYED + _hmac(self.secret, "id", text)

    def mark(self, kind: str, text: str) -> str:
        """Return the hash by which a text is known to name a person."""
        return _hmac(self.secret, kind, text)


def is_keyed(text: str) -> bool:
    """Return whether `text` is one of these hashes."""
    return _HASH.fullmatch(text) is not None


def _hmac(secret: bytes, kind: str, text: str) -> str:
    keyed = _begun(secret).copy()
    keyed.update(f"{kind}:{text}".encode("utf-8", "surrogatepass"))
    return keyed.hexdigest()


@lru_cache(maxsize=16)
def _begun(secret: bytes) -> hmac.HMAC:
    """Return a hash that has read the key: to begin each one anew takes twice as long."""
    return hmac.new(secret, digestmod="sha256")
