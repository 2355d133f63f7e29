"""`forget_keys`: which keys of ZEXA_FORGET_KEY the hashes of forgotten people need. Empty until somebody is forgotten.

Every batch and every look-up reads it, so that nobody who was forgotten is taken for a stranger.
"""

from sqlmodel import Field, SQLModel

from models.types import KeyText


class ForgetKeyInUse(SQLModel, table=True):
    """`key_id` is a fingerprint of the key, and says nothing of it."""

    __tablename__ = "forget_keys"

    key_id: str = Field(primary_key=True, sa_type=KeyText)
