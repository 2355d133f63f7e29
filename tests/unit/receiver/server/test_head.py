"""What a request's head must be like, beyond what the parser sees to."""

from http import HTTPStatus

import pytest

from receiver.server.head import FIELD_BYTES_MAX, Field, RequestTarget, read_target, refusal

HOST = (b"host", b"x")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (b"/", RequestTarget("/", b"/", b"")),
        (b"/a/b?c=d?e", RequestTarget("/a/b", b"/a/b", b"c=d?e")),
        (b"/a#b?c", RequestTarget("/a", b"/a", b"")),
        (b"/%7Ea%2fb", RequestTarget("/~a/b", b"/%7Ea%2fb", b"")),
        (b"//evil.example/x", RequestTarget("//evil.example/x", b"//evil.example/x", b"")),
        (b"http://x", RequestTarget("/", b"/", b"")),
        (b"http://x/a?b", RequestTarget("/a", b"/a", b"b")),
        (b"*", RequestTarget("*", b"*", b"")),
        (b"x:443", RequestTarget("x:443", b"x:443", b"")),
        (b"http://[::1/a", None),
        (b"", None),
    ],
)
def test_a_target_is_a_path_and_a_query_in_whatever_form(url: bytes, target: RequestTarget | None) -> None:
    assert read_target(url) == target


@pytest.mark.parametrize(
    ("version", "fields", "status"),
    [
        ("1.1", [HOST], None),
        ("1.0", [], None),
        ("2.0", [HOST], HTTPStatus.BAD_REQUEST),
        ("0.9", [], HTTPStatus.BAD_REQUEST),
        ("1.1", [HOST, HOST], HTTPStatus.BAD_REQUEST),
        ("1.1", [HOST, (b"transfer-encoding", b"Chunked")], None),
        ("1.0", [HOST, (b"transfer-encoding", b"chunked")], HTTPStatus.BAD_REQUEST),
        ("1.1", [HOST, (b"transfer-encoding", b"gzip, chunked")], HTTPStatus.BAD_REQUEST),
        ("1.1", [HOST, (b"expect", b"100-Continue")], None),
        ("1.1", [HOST, (b"expect", b"200-ok")], HTTPStatus.EXPECTATION_FAILED),
        ("1.1", [(b"x", b"y" * (FIELD_BYTES_MAX - 1))], None),
        ("1.1", [(b"x", b"y" * FIELD_BYTES_MAX)], HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_a_head_that_leaves_something_open_is_refused(
    version: str, fields: list[Field], status: HTTPStatus | None
) -> None:
    assert refusal(version, fields) == status
