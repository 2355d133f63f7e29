"""Whoever guesses waits longer each time, and nobody for ever; and what a password and a name may be."""

import pytest

from sync.users.accounts import is_name
from sync.users.passwords import is_long_enough
from sync.users.sign_in import CLIENT_SECONDS_MAX, FREE_TRIES, USER_SECONDS_MAX, wait_after


def test_five_tries_are_free_and_each_further_one_costs_twice_as_much_up_to_a_bound() -> None:
    waits = [wait_after(tries, USER_SECONDS_MAX) for tries in range(30)]
    assert waits[:FREE_TRIES] == [0] * FREE_TRIES
    assert waits[FREE_TRIES : FREE_TRIES + 4] == [2, 4, 8, 16]
    assert waits[-1] == USER_SECONDS_MAX
    assert wait_after(10_000, CLIENT_SECONDS_MAX) == CLIENT_SECONDS_MAX


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("Maria", True), ("Maria Silva, 2.º turno", True), ("", False), (" Rui", False)],
)
def test_a_name_is_short_and_printable(name: str, is_one: bool) -> None:
    assert is_name(name) is is_one
    assert not is_name("a" * 65)
    assert not is_name("a\nb")


def test_a_password_is_long() -> None:
    assert not is_long_enough("a" * 11)
    assert is_long_enough("a" * 12)
    assert not is_long_enough("a" * 257)
