"""Marks dead letters as resolved because a person decided so. Nothing is applied, and no body is removed."""

from datetime import datetime

from sqlalchemy import Engine, update

from models.tables import DEAD_LETTERS
from sync.dead_letters.find import LetterSelection


def resolve(engine: Engine, selection: LetterSelection, *, now: datetime) -> int:
    """Resolve the selected letters that are not resolved yet, in one transaction; return how many these were."""
    is_unresolved = DEAD_LETTERS.c.resolved_at.is_(None)
    with engine.begin() as connection:
        statement = update(DEAD_LETTERS).where(is_unresolved, *selection.conditions).values(resolved_at=now)
        return connection.execute(statement).rowcount
