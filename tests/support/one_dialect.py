"""The engines of one test process share what SQLAlchemy learns of a server, and the statements it has compiled.

A process of ours opens an engine or two and keeps them. The tests open thousands, and compiling the same statements
for each of them took longer than executing them.
"""

from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import URL, Engine, event

from models import database

STATEMENTS_KEPT = 3000

# By server and user: a dialect that has been connected once, and the statements compiled for it.
_learnt: dict[URL, tuple[Any, Any]] = {}


def share_dialects(patch: pytest.MonkeyPatch) -> None:
    """Let `open_database` make engines that share, until `patch` is undone."""
    patch.setattr(database, "create_engine", create_engine)


def create_engine(url: URL, **options: Any) -> Engine:
    """Make an engine with a pool and events of its own; else as that of SQLAlchemy."""
    server = url.set(database="")
    if server in _learnt:
        engine = sqlalchemy.create_engine(url, **options)
        engine.dialect, engine._compiled_cache = _learnt[server]
        return engine
    engine = sqlalchemy.create_engine(url, **options, query_cache_size=STATEMENTS_KEPT)
    learnt = engine.dialect, engine._compiled_cache
    event.listen(engine, "connect", lambda *_: _learnt.setdefault(server, learnt))
    return engine
