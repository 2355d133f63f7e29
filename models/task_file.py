"""`task_files`: the files of `tasks`, in parts. A worker deletes them a day after the task has ended."""

from sqlalchemy import CheckConstraint, LargeBinary
from sqlmodel import Field, SQLModel

from models.types import KeyText


class TaskFile(SQLModel, table=True):
    """One part, of 256 KiB at most, of what was uploaded for a task or made by it. Parts count from 0."""

    __tablename__ = "task_files"
    __table_args__ = (CheckConstraint("name IN ('input', 'output')", name="ck_task_files_name"),)

    task_id: str = Field(primary_key=True, sa_type=KeyText)
    name: str = Field(primary_key=True, sa_type=KeyText)
    part: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)
