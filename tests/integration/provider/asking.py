"""What the tests of reconcile share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from click.testing import Result
from sqlalchemy import Engine

from tests.support.events_builder import ANA, minute, rows

Command = Callable[..., Result]

KEY = "zxk_hunter2"


def ids_file(folder: Path, *ids: str, column: str = "message_id") -> str:
    file = folder / "sent.csv"
    file.write_text("\n".join([f"name,{column}", *(f"x,{message_id}" for message_id in ids), ""]))
    return str(file)


def message_answer(message_id: str, status: str, at: float | None = None, **more: Any) -> Mapping[str, Any]:
    """What the provider answers about a message whose status came about `at` minutes after ten."""
    time = {} if at is None else {f"{status}_at": minute(at).isoformat()}
    return {"id": message_id, "status": status, "channel": "sms", "to": ANA, **time, **more}


def statuses(engine: Engine) -> dict[str, tuple[str | None, Any]]:
    return {row["message_id"]: (row["status"], row["status_at"]) for row in rows(engine, "message_status")}
