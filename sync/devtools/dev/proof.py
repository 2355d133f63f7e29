"""Proof that all of it works: one signed event of our own, sent as the provider sends, followed into the database."""

import http.client
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from models.tables import MESSAGES
from sync.devtools.simulate.single import Facts, write_body
from sync.events.event import EventType
from sync.events.signature import sign

PATH = "/webhooks/zexa"  # as it is given to the provider
HTTP_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDelivery:
    """A delivery in the provider's documented shape, about a message that does not exist."""

    message_id: str
    body: bytes
    signature: str


def sample_delivery(prefix: str, secret: bytes) -> SampleDelivery:
    """Return a delivery signed with `secret`, of a message id of its own that starts with `prefix`."""
    message_id = prefix + token_hex(4)
    facts = Facts(
        event=EventType.DELIVERED,
        occurred_at=datetime.now(UTC),
        message_id=message_id,
        channel="sms",
        to="+244912345678",
    )
    body = write_body(facts)
    return SampleDelivery(message_id=message_id, body=body, signature=sign(body, secret).decode())


def post(delivery: SampleDelivery, port: int) -> int | None:
    """Send `delivery` and return the status of the answer, or None if none came."""
    headers = {"Content-Type": "application/json", "X-Zexa-Signature": delivery.signature}
    return request("POST", PATH, port, body=delivery.body, headers=headers)[0]


def request(
    method: str, path: str, port: int, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int | None, str]:
    """Return status and text of the answer, or None and why none came. No proxy comes between."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HTTP_SECONDS)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return None, f"no answer ({type(error).__name__})"
    finally:
        connection.close()


def has_row(engine: Engine, message_id: str) -> bool:
    """Return whether the message has a row in `message_status`, as far as the database answers."""
    query = select(MESSAGES).where(MESSAGES.c.message_id == message_id)
    try:
        with engine.connect() as connection:
            return connection.execute(query).first() is not None
    except DBAPIError:
        return False
