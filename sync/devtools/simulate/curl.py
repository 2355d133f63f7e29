"""Writes a signed delivery as a command to paste."""

import shlex


def as_curl(body: bytes, signature: str, url: str) -> str:
    """Return a shell's command that sends `body`, in one line."""
    headers = ["Content-Type: application/json", f"X-Zexa-Signature: {signature}"]
    words = [url, *(word for header in headers for word in ("-H", header))]
    return shlex.join(["curl", "-i", *words, "--data-binary", body.decode()])
