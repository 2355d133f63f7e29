"""The statuses of a message, and which event gives which. Pure."""

from collections.abc import Mapping
from enum import StrEnum

from sync.events.event import Event, EventType, Origin


class Status(StrEnum):
    """The statuses of a message; of two events at one moment the one whose status stands first here wins."""

    DELIVERED = "delivered"  # final: reached the recipient
    UNDELIVERABLE = "undeliverable"  # final: cannot be delivered
    FAILED = "failed"  # final: all attempts failed
    SENT = "sent"  # handed to the carrier
    QUEUED = "queued"  # accepted by the provider


STATUS_OF: Mapping[str, Status] = {
    EventType.DELIVERED: Status.DELIVERED,
    EventType.FAILED: Status.FAILED,
    EventType.UNDELIVERABLE: Status.UNDELIVERABLE,
}
# The last two are known only as polled: what is signed under such a name is of an unknown type.
POLLED_STATUS_OF: Mapping[str, Status] = {
    **STATUS_OF,
    "message.sent": Status.SENT,
    "message.queued": Status.QUEUED,
}
_POLLED = Origin.POLLED  # to look it up in the enumeration takes longer than to compare it
FINAL = frozenset({Status.DELIVERED, Status.UNDELIVERABLE, Status.FAILED})


def status_of(event: Event) -> Status | None:
    """Return the status that `event` gives its message, if any."""
    return (POLLED_STATUS_OF if event.origin is _POLLED else STATUS_OF).get(event.name)


def is_final(event: Event) -> bool:
    """Return whether nothing follows the status that `event` gives its message."""
    return status_of(event) in FINAL
