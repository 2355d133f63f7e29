"""Is a delivery really the provider's? Pure: bytes in, a verdict out.

Zexa signs the raw body with HMAC-SHA256 (RFC 2104) under the webhook's secret and sends the digest as 64
lower-case hexadecimal digits in X-Zexa-Signature. It signs nothing else: no time, no id, so a verdict says
who wrote a body, never that it is new.
"""

import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

_FORM = re.compile(r"[0-9a-f]{64}")


class Verdict(StrEnum):
    """What a signature proves."""

    GENUINE = "genuine"  # the body was signed with one of our secrets
    MISSING = "missing"  # there is no signature
    MALFORMED = "malformed"  # it is not 64 lower-case hexadecimal digits
    WRONG = "wrong"  # none of our secrets makes this signature for this body
    RETIRED = "retired"  # a secret makes it that is no longer accepted


class SignatureCheck(NamedTuple):
    """A verdict, and the place of the secret that matched, from 0; None if none did."""

    verdict: Verdict
    place: int | None = None


_MISSING, _MALFORMED = SignatureCheck(Verdict.MISSING), SignatureCheck(Verdict.MALFORMED)
_WRONG, _RETIRED = SignatureCheck(Verdict.WRONG), SignatureCheck(Verdict.RETIRED)


def verify(body: bytes, signature: str | None, secrets: Sequence[bytes]) -> Verdict:
    """Judge `signature`, the header's text as received, for `body`, as `judge` does."""
    return judge(body, signature, secrets).verdict


def judge(
    body: bytes, signature: str | None, secrets: Sequence[bytes], retired: Sequence[bytes] = ()
) -> SignatureCheck:
    """Judge `signature`, the header's text as received, for `body`. `retired` secrets are recognised and refused.

    Takes the same time whichever of `secrets` matches, and however much of a wrong signature is right.
    """
    if not signature:
        return _MISSING
    if not _FORM.fullmatch(signature):
        return _MALFORMED
    signature_bytes = signature.encode("ascii")
    place = _matching(body, signature_bytes, secrets)
    if place is not None:
        return SignatureCheck(Verdict.GENUINE, place)
    return _WRONG if _matching(body, signature_bytes, retired) is None else _RETIRED


def _matching(body: bytes, signature: bytes, secrets: Sequence[bytes]) -> int | None:
    matches = [hmac.compare_digest(sign(body, secret), signature) for secret in secrets]
    return matches.index(True) if any(matches) else None


def sign(body: bytes, secret: bytes) -> bytes:
    """Return the signature the provider would send for `body`, as ASCII."""
    return hmac.digest(secret, body, "sha256").hex().encode("ascii")
