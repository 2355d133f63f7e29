"""The tables, one a module, and the connection to the database that holds them.

The schema itself is made by the migrations only. A model is loaded once somebody asks for it: SQLModel takes 14 MB,
and statements need none of it (`models.tables`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.all_tables import *  # noqa: F403 - their names stand there


def __getattr__(name: str) -> Any:
    if not name[:1].isupper():  # a module, which is imported otherwise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models import all_tables  # noqa: PLC0415 - the whole point

    return getattr(all_tables, name)
