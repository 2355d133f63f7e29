"""Does a request carry one of our tokens? Pure: a header in, a yes or no out."""

import hmac
from collections.abc import Sequence
from hashlib import sha256


def is_authorised(header: str | None, tokens: Sequence[bytes]) -> bool:
    """Judge `header`, the text of Authorization as WSGI gives it (Latin-1), by RFC 6750: `Bearer TOKEN`.

    Takes the same time whichever of `tokens` it is, and however much of a wrong one is right. Digests are compared, so
    that not even a length shows.
    """
    scheme, _, credential = (header or "").partition(" ")
    digest = sha256(credential.strip(" ").encode("latin-1", "replace")).digest()
    is_known = False
    for token in tokens:
        is_known |= hmac.compare_digest(sha256(token).digest(), digest)
    return is_known and scheme.lower() == "bearer"
