"""Marks dead letters as resolved because a person decided so. Nothing is applied, and no body is removed."""

from datetime import datetime

from sqlalchemy import Connection, update

from models.tables import DEAD_LETTERS
from sync.dead_letters.find import LetterSelection


def resolve(connection: Connection, selection: LetterSelection, *, now: datetime) -> int:
    """Resolve those selected that are not resolved yet, in the caller's transaction; return how many these were."""
    is_unresolved = DEAD_LETTERS.c.resolved_at.is_(None)
    statement = update(DEAD_LETTERS).where(is_unresolved, *selection.conditions).values(resolved_at=now)
    return connection.execute(statement).rowcount
