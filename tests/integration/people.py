"""What the tests about people share: they give bodies, look people up, and read what SQL says."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, text

from sync.events.interpretation import ParseOptions
from sync.store.apply import apply
from sync.suppression import Lookup
from tests.conftest import NOW
from tests.support.events_builder import AO, raw


def give(engine: Engine, *bodies: bytes, options: ParseOptions = AO) -> None:
    apply(engine, [raw(content) for content in bodies], options=options, now=NOW)


def statuses(lookup: Lookup, addresses: Sequence[str], **scope: str | None) -> dict[str, str]:
    answers = lookup.check(addresses, **scope)  # type: ignore[arg-type]
    return {answer.input: str(answer.status) for answer in answers}


def all_of(addresses: Sequence[str], status: str) -> dict[str, str]:
    return dict.fromkeys(addresses, status)


def read(engine: Engine, query: str, **values: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(query), values))
