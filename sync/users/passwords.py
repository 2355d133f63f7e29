"""Passwords: scrypt by Werkzeug, and what one must be like. Pure but for the salt."""

from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

CHARACTERS_MIN, CHARACTERS_MAX = 12, 256
METHOD = "scrypt:32768:8:1"  # 32 MB and most of a tenth of a second for each try


def is_long_enough(password: str) -> bool:
    """Return whether `password` can be one: nothing but its length counts."""
    return CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX


def hashed(password: str) -> str:
    return generate_password_hash(password, method=METHOD)


def matches(password_hash: str | None, password: str) -> bool:
    """Return whether `password_hash` is of `password`; takes as long if there is no hash."""
    is_right = check_password_hash(password_hash or hash_of_nobody(), password[:CHARACTERS_MAX])
    return is_right and password_hash is not None


@cache
def hash_of_nobody() -> str:
    return hashed("")
