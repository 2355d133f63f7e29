"""Every sentence that says why a message is as it is has a form in Portuguese."""

import re
from collections.abc import Iterator
from itertools import product

from msgspec.structs import asdict, replace

from receiver.console.sentences import in_portuguese
from sync.events.event import Event, Origin
from sync.events.merge import message_row
from sync.reports.trace.explain import explain
from tests.unit.events.facts import fact, message_fact

ENGLISH = re.compile(
    r"\b(the|is|of|it|its|and|or|because|occurred|No|not|was|were|ranks|names|came|for|delivered|failed|undeliverable)\b"
)
# Names as they stand in the tables.
NAMES = re.compile(r"\b(message|campaign)[._]\w+")
STATUSES = ("queued", "sent", "delivered", "failed", "undeliverable", "optout", "unknown_type")


def stories() -> Iterator[list[Event]]:
    """What may be known of a message: any two facts, signed or polled, at one time or two, or without a time."""
    yield []
    for one, other in product(STATUSES, STATUSES):
        for at, origin in product((1, 2, None), Origin):
            yield [replace(message_fact(one, at), origin=origin), message_fact(other, 1, to="+244912345678")]
    yield [fact("campaign.sent", 1)]
    yield [fact("message.sent", 1, id=None, to="+244912345678")]
    yield [replace(message_fact("unknown_type", None), name="")]


def test_every_sentence_is_told_in_portuguese() -> None:
    sentences = set()
    for facts in stories():
        row = message_row(facts) if facts else None
        sentences |= {*explain(facts, row and asdict(row)), *explain(facts, None)}
        if row is not None:
            sentences |= {*explain(facts, asdict(row) | {"conflict": not row.conflict, "status": None})}
    portuguese = {sentence: in_portuguese(sentence) for sentence in sentences}
    assert {told for told in portuguese.values() if ENGLISH.search(NAMES.sub("", told))} == set()
    assert len({re.sub(r"\S*[._\d]\S*", "", told) for told in portuguese.values()}) > 20
