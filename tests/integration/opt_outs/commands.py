"""What the tests of opt outs share."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from click.testing import Result
from sqlalchemy import Engine, select

from models.tables import HISTORY
from sync.store.apply import apply
from tests.conftest import NOW
from tests.support.events_builder import ANA, AO, RECEIVED, body, raw

Command = Callable[..., Result]
STATED = {"by": "Maria", "reason": "asked by phone"}
BY = ("--by", STATED["by"])
WHY = (*BY, "--reason", STATED["reason"])
SPELLED = "(912) 345-678"


def stop(at: datetime, to: str = ANA, **data: object) -> bytes:
    return body("message.optout", at, to=to, **data)


def give(engine: Engine, *bodies: bytes, received: datetime = RECEIVED) -> None:
    apply(engine, [raw(content, received) for content in bodies], options=AO, now=NOW)


def table(engine: Engine, selected: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(selected)).mappings()]


def history(engine: Engine) -> list[dict[str, Any]]:
    return sorted(table(engine, HISTORY), key=lambda row: row["id"])


def status(command: Command, *arguments: str) -> list[str]:
    return [result["status"] for result in json.loads(command("check", "--json", *arguments).stdout)["results"]]
