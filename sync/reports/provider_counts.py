"""What the provider's answer about a campaign counts. Pure.

It documents a status and delivery counts, and no name of any. The usual ones are read, wherever in the answer they
stand; what is not found is None, never 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sync.events.campaigns import TOTAL_MAX, message_total
from sync.events.raw import letters_of

FINAL = ("delivered", "failed", "undeliverable")
DEPTH_MAX = 3
_NUMBERS = ("count", "total", "messages", "number", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCounts:
    """Messages of a campaign as the provider counts them; None is what its answer does not say."""

    status: str | None = None
    total: int | None = None
    delivered: int | None = None
    failed: int | None = None
    undeliverable: int | None = None

    @property
    def finalised(self) -> int | None:
        """Return how many messages have a final status there; None if that does not follow from the answer."""
        if self.delivered is not None:
            return self.delivered + (self.failed or 0) + (self.undeliverable or 0)
        return self.total if self.is_completed else None

    @property
    def is_completed(self) -> bool:
        return letters_of((self.status or "").encode("utf-8", "replace")) in (b"completed", b"complete", b"finished")


def provider_counts(document: Mapping[str, Any]) -> ProviderCounts:
    """Return what `document` counts; of several places that say the same the outermost counts."""
    places = list(_mappings(document, DEPTH_MAX))
    statuses = (place.get("status") for place in places)
    totals = (message_total(place) for place in places)
    return ProviderCounts(
        status=next((status for status in statuses if isinstance(status, str)), None),
        total=next((total for total in totals if total is not None), None),
        **{name: next(_counted(places, name), None) for name in FINAL},
    )


def _mappings(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield `value`, then the objects in it, the outer ones first."""
    level = [value]
    for _ in range(depth):
        objects = [inner for inner in level if isinstance(inner, Mapping)]
        yield from objects
        level = [inner for document in objects for inner in document.values()]
        level = [value for inner in level for value in (inner if _is_list(inner) else [inner])]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _counted(places: Sequence[Mapping[str, Any]], status: str) -> Iterator[int]:
    word = status.encode()
    names = {word, *(word + other.encode() for other in _NUMBERS), *(other.encode() + word for other in _NUMBERS)}
    for place in places:
        # Such as {"status": "delivered", "count": 5}.
        if place.get("status") == status:
            yield from filter(_is_count, (place.get(name) for name in _NUMBERS))
        yield from (value for name, value in place.items() if letters_of(name.encode()) in names and _is_count(value))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOTAL_MAX
