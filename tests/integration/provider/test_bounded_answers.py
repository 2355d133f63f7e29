"""An answer that does not end, in bytes or in time, ends as one sentence; so does one that no table could hold."""

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import create_server, socket
from threading import Thread

import pytest

from sync.provider import client as client_module
from sync.provider import retries
from sync.provider.bounded_answers import ANSWER_BYTES_MAX
from sync.provider.client import ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure
from sync.settings.provider import ProviderSettings

ANSWER_SECONDS = 0.5
CREATED = b"HTTP/1.1 201 Created\r\n"


@contextmanager
def speaking(answer: Callable[[socket], None]) -> Iterator[ProviderClient]:
    """Run a server that gives each request this answer; yield a client of it."""

    def serve() -> None:
        with suppress(OSError):  # closed at the end, or the client had enough
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    answer(connection)

    with create_server(("127.0.0.1", 0)) as listening:
        Thread(target=serve, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with ProviderClient(ProviderSettings.read({"ZEXA_API_URL": address, "ZEXA_API_KEY": "zxk_hunter2"})) as client:
            yield client


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(client_module, "ANSWER_SECONDS", ANSWER_SECONDS)


def failure_of(answer: Callable[[socket], None]) -> ProviderError:
    with speaking(answer) as client, pytest.raises(ProviderError) as caught:
        client.create_webhook("https://example.com/webhooks/zexa", ["*"])
    assert caught.value.may_have_been_done
    return caught.value


def endless(connection: socket) -> None:
    connection.sendall(CREATED + b"Connection: close\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def claimed(connection: socket) -> None:
    connection.sendall(CREATED + f"Content-Length: {10**15}\r\n\r\n".encode())
    connection.recv(1)  # until the client has gone


def claimed_in_a_chunk(connection: socket) -> None:
    connection.sendall(CREATED + b"Transfer-Encoding: chunked\r\n\r\n" + f"{10**15:x}\r\n".encode())
    while True:
        connection.sendall(b" " * 65536)


@pytest.mark.parametrize("answer", [endless, claimed, claimed_in_a_chunk])
def test_an_answer_longer_than_any_of_the_api_is_not_read_to_its_end(answer: Callable[[socket], None]) -> None:
    error = failure_of(answer)
    assert error.failure is ProviderFailure.UNREADABLE
    assert "(its answer does not end): " in str(error)


def dripping_head(connection: socket) -> None:
    for byte in CREATED * 10:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def dripping_body(connection: socket) -> None:
    connection.sendall(CREATED + b"Content-Length: 100\r\n\r\n")
    for _ in range(100):
        connection.sendall(b" ")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [dripping_head, dripping_body])
def test_an_answer_that_drips_is_none_in_time(answer: Callable[[socket], None]) -> None:
    begun = time.monotonic()
    assert failure_of(answer).failure is ProviderFailure.TIMEOUT
    assert time.monotonic() - begun < ANSWER_SECONDS * 4


def test_a_connection_is_kept_and_has_its_whole_time_again() -> None:
    body = b'{"status": "sent"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def slowly(connection: socket) -> None:
        for _ in range(3):
            time.sleep(ANSWER_SECONDS * 0.6)
            connection.sendall(answer)
            connection.recv(65536)

    with speaking(slowly) as client:
        assert [client.get_message("msg_1").document["status"] for _ in range(3)] == ["sent"] * 3


def test_an_answer_as_long_as_may_be_is_read() -> None:
    body = b'{"status": "sent"}'.ljust(ANSWER_BYTES_MAX // 2)
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"

    def chunked(connection: socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)

    with speaking(chunked) as client:
        assert client.get_message("msg_1").body == body


def created_answer(body: bytes, headers: bytes = b"") -> Callable[[socket], None]:
    def answer(connection: socket) -> None:
        connection.sendall(CREATED + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    return answer


UNREADABLE = {
    "nothing": created_answer(b""),
    "no id": created_answer(b'{"url": "https://example.com/webhooks/zexa"}'),
    "an id with NUL": created_answer(b'{"id": "wh_\\u0000"}'),
    "an id that a terminal would obey": created_answer(b'{"id": "wh_\\u001b[2J"}'),
    "an id that no index takes": created_answer(b'{"id": "' + b"w" * 5000 + b'"}'),
    "packed": created_answer(gzip.compress(b'{"id": "wh_1"}'), b"Content-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
def test_a_webhook_without_an_id_that_can_be_kept_may_exist(answer: Callable[[socket], None]) -> None:
    assert failure_of(answer).failure is ProviderFailure.UNREADABLE


ONE = b'"data": [{"id": "wh_1", "url": "https://example.com/"}]'
PAGES = {
    b'"has_more": true': False,
    b'"links": {"next": "/v1/webhooks?page=2"}': False,
    b'"meta": {"nextCursor": "abc"}': False,
    b'"has_more": false': True,
    b'"links": {"next": null, "self": "/v1/webhooks"}': True,
}


@pytest.mark.parametrize(("page", "is_whole"), PAGES.items())
def test_a_page_of_a_list_is_no_list_for_what_it_lacks_may_be_on_another_one(page: bytes, is_whole: bool) -> None:
    with speaking(created_answer(b"{" + ONE + b", " + page + b"}")) as client:
        if is_whole:
            assert [webhook.id for webhook in client.list_webhooks()] == ["wh_1"]
        else:
            with pytest.raises(ProviderError, match="does not list all webhooks at once") as caught:
                client.list_webhooks()
            assert caught.value.failure is ProviderFailure.NOT_OFFERED


def test_odd_headers_are_not_told_to_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with speaking(created_answer(b'{"id": "wh_1"}', b"no colon here\r\nX: y\r\n")) as client, suppress(ProviderError):
        client.create_webhook("https://example.com/webhooks/zexa", ["*"])
    assert capfd.readouterr() == ("", "")
