"""Who may look up: only a request that carries the right token, for any bytes that others send."""

import pytest

from receiver.api.bearer import is_authorised

TOKENS = (b"0123456789abcdef", b"fedcba9876543210")


@pytest.mark.parametrize("token", ["0123456789abcdef", "fedcba9876543210"])
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {}", "Bearer {} "])
def test_any_of_our_tokens_will_do(token: str, form: str) -> None:
    assert is_authorised(form.format(token), TOKENS)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "Bearer",
        "Bearer ",
        "0123456789abcdef",
        " 0123456789abcdef",
        "Basic 0123456789abcdef",
        "Bearer\t0123456789abcdef",
        "Bearer 0123456789abcde",
        "Bearer 0123456789abcdeff",
        "Bearer 0123456789ABCDEF",
        "Bearer 0123456789abcdef,fedcba9876543210",
        "Bearer 0123456789abcdef, Bearer 0123456789abcdef",
        'Bearer "0123456789abcdef"',
        "Bearer \xff\xfe",
        "Bearer \uff10123456789abcdef",
        "Bearer \ud800",
        "B\xe9arer 0123456789abcdef",
    ],
)
def test_anything_else_will_not_and_raises_nothing(header: str | None) -> None:
    assert not is_authorised(header, TOKENS)


def test_without_tokens_nobody_may() -> None:
    assert not is_authorised("Bearer ", ())
    assert not is_authorised("Bearer 0123456789abcdef", ())
