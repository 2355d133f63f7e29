"""Who wrote a body: the one thing that stands between the internet and the tables."""

import hashlib

import pytest

from sync.events.signature import Verdict, verify
from tests.support.events_builder import SAMPLE

SECRET = b"whsec_0123456789abcdef"
# openssl dgst -sha256 -hmac whsec_0123456789abcdef tests/support/bodies/applied/documented_sample.json
SAMPLE_SIGNATURE = "a521bfb7962f50db1017ba74b786ed12c6a912dd69065e0d7a76b135d2424ef3"

# https://www.rfc-editor.org/rfc/rfc4231#section-4; its case 5 truncates the digest, which we never accept.
RFC_4231 = {
    1: (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    2: (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    3: (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    4: (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    6: (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    7: (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to "
        b"be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
}


def signature(content: bytes, secret: bytes = SECRET) -> str:
    """HMAC-SHA256 by the letter of RFC 2104, with nothing but the hash."""
    key = hashlib.sha256(secret).digest() if len(secret) > 64 else secret
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + content).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


@pytest.mark.parametrize("case", RFC_4231)
def test_the_algorithm_is_hmac_sha256(case: int) -> None:
    secret, content, expected = RFC_4231[case]
    assert signature(content, secret) == expected
    assert verify(content, expected, [secret]) is Verdict.GENUINE


def test_the_documented_sample_is_genuine_as_openssl_signs_it() -> None:
    assert verify(SAMPLE, SAMPLE_SIGNATURE, [SECRET]) is Verdict.GENUINE


@pytest.mark.parametrize("content", [b"", b"\0", bytes(range(256)), "olá".encode(), b"x" * 256 * 1024])
def test_any_bytes_can_be_signed(content: bytes) -> None:
    assert verify(content, signature(content), [SECRET]) is Verdict.GENUINE


@pytest.mark.parametrize("position", range(3))
def test_any_of_several_secrets_matches(position: int) -> None:
    secrets = [b"oldest", b"older", b"newest"]
    assert verify(SAMPLE, signature(SAMPLE, secrets[position]), secrets) is Verdict.GENUINE
    others = [secret for secret in secrets if secret != secrets[position]]
    assert verify(SAMPLE, signature(SAMPLE, secrets[position]), others) is Verdict.WRONG


def test_with_no_secret_nothing_is_genuine() -> None:
    assert verify(SAMPLE, SAMPLE_SIGNATURE, []) is Verdict.WRONG
    assert verify(SAMPLE, signature(SAMPLE, b""), []) is Verdict.WRONG


@pytest.mark.parametrize("signature", [None, ""])
def test_no_signature_is_missing(signature: str | None) -> None:
    assert verify(SAMPLE, signature, [SECRET]) is Verdict.MISSING


MALFORMED = {
    "63 digits": SAMPLE_SIGNATURE[:-1],
    "65 digits": SAMPLE_SIGNATURE + "0",
    "twice": SAMPLE_SIGNATURE * 2,
    "one digit": "a",
    "upper case": SAMPLE_SIGNATURE.upper(),
    "one upper case letter": "A" + SAMPLE_SIGNATURE[1:],
    "prefix": "sha256=" + SAMPLE_SIGNATURE,
    "prefix in place of digits": "sha256=" + SAMPLE_SIGNATURE[7:],
    "hexadecimal prefix": "0x" + SAMPLE_SIGNATURE[2:],
    "blank before": " " + SAMPLE_SIGNATURE,
    "blank after": SAMPLE_SIGNATURE + " ",
    "blank inside": SAMPLE_SIGNATURE[:32] + " " + SAMPLE_SIGNATURE[33:],
    "only blanks": " " * 64,
    "trailing newline": SAMPLE_SIGNATURE + "\n",
    "newline for the last digit": SAMPLE_SIGNATURE[:-1] + "\n",
    "nul after": SAMPLE_SIGNATURE + "\0",
    "nul inside": SAMPLE_SIGNATURE[:-1] + "\0",
    "a letter beyond f": "g" + SAMPLE_SIGNATURE[1:],
    "Latin-1, as WSGI hands on any byte": "\xe9" + SAMPLE_SIGNATURE[1:],
    "only Latin-1": "\xff" * 64,
    "full-width digits": SAMPLE_SIGNATURE.replace("5", "\uff15"),
    "Arabic digits": "\u0665" * 64,
    "half a surrogate pair": "\ud800" * 64,
    "two signatures": f"{SAMPLE_SIGNATURE}, {SAMPLE_SIGNATURE}",
    "quoted": f'"{SAMPLE_SIGNATURE}"',
    "Base64": "pSG/t5YvUNsQF7p0t4btEsapEt1pBl4NenaxNdJCTvM=",
    "a megabyte": "a" * 1_000_000,
}


@pytest.mark.parametrize("form", MALFORMED)
def test_anything_but_64_lower_case_hexadecimal_digits_is_malformed(form: str) -> None:
    assert verify(SAMPLE, MALFORMED[form], [SECRET]) is Verdict.MALFORMED


@pytest.mark.parametrize("position", range(64))
def test_every_digit_counts(position: int) -> None:
    other = "0" if SAMPLE_SIGNATURE[position] != "0" else "1"
    changed = SAMPLE_SIGNATURE[:position] + other + SAMPLE_SIGNATURE[position + 1 :]
    assert verify(SAMPLE, changed, [SECRET]) is Verdict.WRONG


@pytest.mark.parametrize(
    "changed",
    [SAMPLE + b"\n", SAMPLE[:-1], SAMPLE.replace(b" ", b""), SAMPLE.replace(b"delivered", b"deliverde"), b""],
)
def test_every_byte_of_the_body_counts(changed: bytes) -> None:
    assert verify(changed, SAMPLE_SIGNATURE, [SECRET]) is Verdict.WRONG


@pytest.mark.parametrize("secret", [SECRET + b" ", SECRET[:-1], SECRET.upper(), b"", SAMPLE_SIGNATURE.encode()])
def test_every_byte_of_the_secret_counts(secret: bytes) -> None:
    assert verify(SAMPLE, SAMPLE_SIGNATURE, [secret]) is Verdict.WRONG


def test_the_bare_hash_of_the_body_proves_nothing() -> None:
    assert verify(SAMPLE, hashlib.sha256(SAMPLE).hexdigest(), [SECRET]) is Verdict.WRONG
    assert verify(SAMPLE, hashlib.sha256(SECRET + SAMPLE).hexdigest(), [SECRET]) is Verdict.WRONG
