"""`tasks`: work that people ask for in the console and a worker does; the files of it are in `task_files`."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class Task(SQLModel, table=True):
    """What `asked_by` asked for, how far it is, and how it ended. `parameters` and `outcome` are JSON.

    `holder` names the one worker that may write to a running task, which was seen at `seen_at`. `deaths` counts the
    workers that vanished meanwhile, and `bookmark` says where the next one goes on. Somebody saw a failure at
    `resolved_at`.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name="ck_tasks_state"),
        Index(
            "ix_tasks_open",
            "asked_at",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
        Index("ix_tasks_asked_at", "asked_at", "id"),
    )

    id: str = Field(primary_key=True, sa_type=KeyText)
    kind: str = Field(sa_type=Text)
    asked_by: str = Field(sa_type=KeyText)
    asked_at: datetime = Field(sa_type=UTCDateTime)
    parameters: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    begun_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    seen_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    holder: str | None = Field(default=None, sa_type=KeyText)
    deaths: int
    steps_done: int
    steps_total: int | None = None
    bookmark: str | None = Field(default=None, sa_type=Text)
    outcome: str = Field(sa_type=Text)
    failure: str | None = Field(default=None, sa_type=Text)
    resolved_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
