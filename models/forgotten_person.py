"""`forgotten_people`: whom `zexa-sync person forget` erased, by keyed hashes alone. Rows are only ever added.

Who asked for it, when and why stands in `opt_out_history`, under the same pseudonym.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, Text, false
from sqlmodel import Field, SQLModel

from models.types import KeyText, UTCDateTime


class PersonForgotten(SQLModel, table=True):
    """`pseudonym` stands in every table in place of the addresses. `marks` are hashes of the texts that name the
    person, as JSON; `key_id` says with which key all of these were made. `is_erasing` is true only within the
    transactions that erase: the trigger of `opt_out_history` lets these pass, and nobody else ever sees it.
    """

    __tablename__ = "forgotten_people"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger().with_variant(Integer, "sqlite"))
    pseudonym: str = Field(sa_type=KeyText, unique=True)
    key_id: str = Field(sa_type=KeyText)
    marks: str = Field(sa_type=Text)
    forgotten_at: datetime = Field(sa_type=UTCDateTime)
    is_erasing: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
