"""Is a delivery really the provider's? Pure: bytes in, a verdict out.

Zexa signs the raw body with HMAC-SHA256 (RFC 2104) under the webhook's secret and sends the digest as 64
lower-case hexadecimal digits in X-Zexa-Signature. It signs nothing else: no time, no id, so a verdict says
who wrote a body, never that it is new.
"""

import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

_FORM = re.compile(r"[0-9a-f]{64}")


class Verdict(StrEnum):
    """What a signature proves."""

    GENUINE = "genuine"  # the body was signed with one of our secrets
    MISSING = "missing"  # there is no signature
    MALFORMED = "malformed"  # it is not 64 lower-case hexadecimal digits
    WRONG = "wrong"  # none of our secrets makes this signature for this body


def verify(body: bytes, signature: str | None, secrets: Sequence[bytes]) -> Verdict:
    """Judge `signature`, the header's text as received, for `body`.

    Takes the same time whichever of `secrets` matches, and however much of a wrong signature is right.
    """
    if not signature:
        return Verdict.MISSING
    if not _FORM.fullmatch(signature):
        return Verdict.MALFORMED
    signature_bytes = signature.encode("ascii")
    is_genuine = False
    for secret in secrets:
        is_genuine |= hmac.compare_digest(sign(body, secret), signature_bytes)
    return Verdict.GENUINE if is_genuine else Verdict.WRONG


def sign(body: bytes, secret: bytes) -> bytes:
    """Return the signature the provider would send for `body`, as ASCII."""
    return hmac.digest(secret, body, "sha256").hex().encode("ascii")
