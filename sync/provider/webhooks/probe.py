"""Sends a signed probe through the public address, and says at which hop it ends. It names nobody."""

import http.client
import json
import socket
import ssl
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from urllib.parse import SplitResult, urljoin, urlsplit

from sync.events.raw import PROBE_MARK
from sync.events.signature import sign
from sync.provider.webhooks import probe_findings as findings
from sync.terminal.findings import Check, Finding

PROBE_EVENT: str = json.loads(PROBE_MARK + b"}")["event"]
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.5  # the receiver answers within 5 s
# Larger than nearly every delivery, so that a proxy that takes only small bodies is found.
PADDING_BYTES = 16 * 1024

_BY_STATUS = {
    403: findings.PROBE_FORBIDDEN,
    404: findings.PROBE_NOT_FOUND,
    405: findings.PROBE_NOT_FOUND,
    413: findings.PROBE_TOO_LARGE,
    502: findings.PROBE_GATEWAY,
    503: findings.PROBE_NOT_STORED,
    504: findings.PROBE_GATEWAY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A signed body that nobody has sent before, of an event that no version knows."""

    body: bytes
    signature: str

    @property
    def digest(self) -> str:
        return sha256(self.body).hexdigest()


class NotAccepted(Exception):  # noqa: N818 - an outcome
    """The probe came no further; `check` names the hop."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.found)
        self.check = check


def make_probe(secret: bytes) -> Probe:
    """Return a new probe. Its body begins with PROBE_MARK, by which it counts as no delivery."""
    fields = {
        "timestamp": datetime.now(UTC).isoformat(),
        "data": {"probe": token_hex(16), "padding": "." * PADDING_BYTES},
    }
    body = PROBE_MARK + b"," + json.dumps(fields).encode().removeprefix(b"{")
    return Probe(body=body, signature=sign(body, secret).decode())


def send_probe(url: str, probe: Probe) -> float:
    """Send `probe` to `url`, directly and without following redirects; return the seconds until it was acknowledged.

    Raises NotAccepted if it was not.
    """
    parts = _parts(url)
    begun = time.monotonic()
    with closing(_connect(parts)) as connection:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Content-Type": "application/json", "X-Zexa-Signature": probe.signature}
        try:
            connection.request("POST", path, probe.body, headers)
            response = connection.getresponse()
            text = response.read(1024)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotAccepted(findings.PROBE_SILENT(error=_kind(error))) from None
    if response.status != 200 or text:  # the receiver's 200 is empty
        raise NotAccepted(_refusal(response, url, len(probe.body)))
    return time.monotonic() - begun


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise NotAccepted(findings.PROBE_URL(line="it is no http:// or https:// address with a host"))
    if parts.username or parts.password:
        raise NotAccepted(findings.PROBE_URL(line="it has a user or a password, which Zexa cannot send"))
    return parts


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    """Return a connection, hop by hop, so that each failure has its own name."""
    host = parts.hostname or ""
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotAccepted(findings.PROBE_DNS()) from None
    try:
        connected = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise NotAccepted(findings.PROBE_CONNECT(error=_kind(error))) from None
    if is_tls:
        connected = _secured(connected, host)
    connected.settimeout(ANSWER_SECONDS)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = connected
    return connection


def _secured(connected: socket.socket, host: str) -> socket.socket:
    try:
        return ssl.create_default_context().wrap_socket(connected, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message
    except (OSError, ValueError) as error:
        reason = _kind(error)
    connected.close()
    raise NotAccepted(findings.PROBE_TLS(error=reason))


def _kind(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not TLS").replace("_", " ").lower()
    return {"ConnectionRefusedError": "connection refused", "gaierror": "no address"}.get(
        type(error).__name__, type(error).__name__
    )


def _refusal(response: http.client.HTTPResponse, url: str, size: int) -> Check:
    status = response.status
    if 300 <= status < 400:
        return findings.PROBE_REDIRECT(status=status, target=_target(url, response.getheader("Location", "")))
    finding: Finding = _BY_STATUS.get(status, findings.PROBE_ANSWERED)
    return finding(status=status, bytes=f"{size:,}")


def _target(url: str, location: str) -> str:
    """Return where a redirect leads, without user, password and query."""
    try:
        parts = urlsplit(urljoin(url, location))
        host = parts.hostname or "?"
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    path = "".join(character for character in parts.path[:100] if character.isprintable())
    return f"{parts.scheme}://{host}{port}{path}"
