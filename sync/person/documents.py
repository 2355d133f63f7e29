"""What is held about a person, as JSON's types. The keys are the same in every case; docs/privacy.md explains each."""

from collections.abc import Mapping
from typing import Any

from sync.events.addresses import spellings_of
from sync.opt_outs import verdict_document
from sync.person.find import Holdings
from sync.person.search import SearchResult
from sync.terminal.masking import masked_address, masked_text
from sync.terminal.text import body_document
from sync.terminal.times import row_in_json

Row = Mapping[str, Any]

_ADDRESSES = ("recipient", "address", "person")
_TEXTS = ("sender", "failure_reason", "note", "reason", "stated_by")


def person_document(holdings: Holdings, *, shows_addresses: bool, with_bodies: bool) -> dict[str, Any]:
    """Return all of `holdings`; without `shows_addresses` what names a person is masked."""

    def shown(row: Row) -> dict[str, Any]:
        return row_document(row, shows_addresses=shows_addresses, with_bodies=with_bodies)

    def searched(result: SearchResult | None) -> dict[str, Any] | None:
        if result is None:
            return None
        rows = [shown(row) for row in result.rows]
        return {"looked_at": result.looked_at, "is_complete": result.is_complete, "rows": rows}

    return {
        "people": [
            {
                "address": _address(address.text, shows_addresses),
                "person": _address(address.person, shows_addresses),
                "spellings": [_address(text, shows_addresses) for text in spellings_of(address.person)],
            }
            for address in holdings.people
        ],
        "verdict": verdict_document(holdings.late),
        "messages": {"count": holdings.message_count, "rows": [shown(row) for row in holdings.messages]},
        "opt_outs": [shown(row) | {"is_in_force": bool(row["is_in_force"])} for row in holdings.opt_outs],
        "history": [shown(row) for row in holdings.history],
        "facts": None if holdings.facts is None else [shown(row) for row in holdings.facts],
        "other_facts": searched(holdings.other_facts),
        "dead_letters": searched(holdings.dead_letters),
        "inbox": searched(holdings.inbox),
        "queue": searched(holdings.queue),
    }


def row_document(row: Row, *, shows_addresses: bool, with_bodies: bool) -> dict[str, Any]:
    """Return a row as JSON's types, its body as text in `body` or, if it is not UTF-8, in `body_base64`."""
    document = row_in_json({name: value for name, value in row.items() if name != "body"})
    if not shows_addresses:
        for name in document.keys() & {*_ADDRESSES, *_TEXTS}:
            mask = masked_address if name in _ADDRESSES else masked_text
            document[name] = document[name] and mask(document[name])
    return document | body_document(row["body"]) if with_bodies and "body" in row else document


def _address(text: str, shows_addresses: bool) -> str:
    return text if shows_addresses else masked_address(text)
