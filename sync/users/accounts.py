"""The people who may sign in to the console, in the caller's transaction. Nobody is added but by the command line."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, select, update

from models.tables import CONSOLE_USERS
from sync.users.passwords import hashed

NAME_CHARACTERS_MAX = 64
# How long a link works that sets a password, and one that signs in.
LINK_ENDS_AFTER = {"password": timedelta(days=1), "sign_in": timedelta(minutes=15)}
# How many generations of sessions a person may begin with; a BIGINT has room for as many more.
GENERATIONS = 2**62
_NEXT_GENERATION = CONSOLE_USERS.c.session_generation + 1


class Role(StrEnum):
    """What a person may do in the console."""

    VIEWER = "viewer"  # look, addresses masked
    OPERATOR = "operator"  # look, and act


class LinkKind(StrEnum):
    """What a link does, once."""

    PASSWORD = "password"  # noqa: S105 - it sets one
    SIGN_IN = "sign_in"  # begins a session without one


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person of the console, without what proves who they are.

    A session is of the `session_generation` that it was begun in: with the next one it is over, whatever clocks say.
    """

    name: str
    role: Role
    has_password: bool
    is_disabled: bool
    created_at: datetime
    signed_in_at: datetime | None
    session_generation: int

    @property
    def may_act(self) -> bool:
        return self.role is Role.OPERATOR


def is_name(text: str) -> bool:
    """Return whether `text` can name a person: short, printable, without blanks around it."""
    return text == text.strip() and text.isprintable() and 0 < len(text) <= NAME_CHARACTERS_MAX


def accounts(connection: Connection) -> list[Account]:
    """Return everybody, by name."""
    rows = connection.execute(select(CONSOLE_USERS).order_by(CONSOLE_USERS.c.name)).mappings()
    return [_account(row) for row in rows]


def find_account(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(CONSOLE_USERS).where(CONSOLE_USERS.c.name == name)).mappings().one_or_none()
    return None if row is None else _account(row)


def stored_hash(connection: Connection, name: str) -> str | None:
    """Return what is kept of the password of `name`; None if there is none."""
    query = select(CONSOLE_USERS.c.password_hash).where(CONSOLE_USERS.c.name == name)
    return connection.execute(query).scalar_one_or_none()


def add_account(connection: Connection, name: str, role: Role, password: str | None, now: datetime) -> bool:
    """Add a person; return whether that name was free."""
    if find_account(connection, name):
        return False
    row = {"name": name, "role": role, "password_hash": password and hashed(password), "created_at": now}
    # By chance: nobody of this name who was removed had the same generation.
    connection.execute(CONSOLE_USERS.insert(), row | {"session_generation": secrets.randbelow(GENERATIONS)})
    return True


def set_password(connection: Connection, name: str, password: str) -> None:
    """Set the password of `name`, and end every session that was begun with another."""
    _change(connection, name, password_hash=hashed(password), session_generation=_NEXT_GENERATION)


def end_sessions(connection: Connection, name: str) -> None:
    """End every session of `name`, wherever it was begun."""
    _change(connection, name, session_generation=_NEXT_GENERATION)


def note_sign_in(connection: Connection, name: str, now: datetime) -> None:
    _change(connection, name, signed_in_at=now)


def disable_account(connection: Connection, name: str, *, is_disabled: bool) -> bool:
    """Let `name` not sign in any more, or again; sessions end for good. Return whether there is such a person."""
    return _change(connection, name, is_disabled=is_disabled, session_generation=_NEXT_GENERATION)


def remove_account(connection: Connection, name: str) -> bool:
    """Remove `name`, whose words and deeds stay; return whether there was such a person."""
    return connection.execute(delete(CONSOLE_USERS).where(CONSOLE_USERS.c.name == name)).rowcount > 0


def make_link(connection: Connection, name: str, kind: LinkKind, now: datetime) -> str:
    """Return the secret of a link for `name` that works once; one that was made before works no more."""
    secret = secrets.token_urlsafe(32)
    ends_at = now + LINK_ENDS_AFTER[kind]
    _change(connection, name, link_digest=_digest(secret), link_kind=kind, link_ends_at=ends_at)
    return secret


def find_link(connection: Connection, secret: str, now: datetime) -> tuple[Account, LinkKind] | None:
    """Return whose link it is and what it does; None if it is none, or works no more."""
    columns = CONSOLE_USERS.c
    query = select(CONSOLE_USERS).where(
        columns.link_digest == _digest(secret), columns.link_ends_at > now, columns.is_disabled.is_(False)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else (_account(row), LinkKind(row["link_kind"]))


def use_link(connection: Connection, secret: str, now: datetime) -> tuple[Account, LinkKind] | None:
    """Return what `find_link` does, and let the link work no more. Of two at once only one gets it."""
    owner_and_kind = find_link(connection, secret, now)
    if owner_and_kind is None:
        return None
    is_this = CONSOLE_USERS.c.link_digest == _digest(secret)
    nothing = {"link_digest": None, "link_kind": None, "link_ends_at": None}
    return owner_and_kind if connection.execute(update(CONSOLE_USERS).where(is_this).values(nothing)).rowcount else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _change(connection: Connection, name: str, **values: Any) -> bool:
    return connection.execute(update(CONSOLE_USERS).where(CONSOLE_USERS.c.name == name).values(values)).rowcount > 0


def _account(row: Any) -> Account:
    return Account(
        name=row["name"],
        role=Role(row["role"]),
        has_password=row["password_hash"] is not None,
        is_disabled=bool(row["is_disabled"]),
        created_at=row["created_at"],
        signed_in_at=row["signed_in_at"],
        session_generation=row["session_generation"],
    )
