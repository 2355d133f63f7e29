"""Any bytes that come in get an answer of the contract; the process lives on, and the log quotes none of them."""

import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from redis import Redis
from sqlalchemy import make_url

from sync.devtools.dev.embedded import RedisServer, private_redis
from sync.events.raw import from_json
from sync.queue.connection import open_queue
from tests.conftest import migrate
from tests.support.processes import Platform, platform, signature, wait_for

PATH = b"/webhooks/zexa"
MARK = "zhostilez"  # stands in every value that must not reach a log; of a path a short part may, escaped
ADDRESS = "244912345678"
BODY = f'{{"event": "message.delivered", "data": {{"message_id": "{MARK}", "to": "+{ADDRESS}"}}}}'.encode()
BODY_BYTES_MAX = 256 * 1024
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def web(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One web process for all that follows."""
    folder = tmp_path_factory.mktemp("hostile")
    url = make_url(f"sqlite:///{folder}/zexa.db")
    migrate(url)
    with platform(folder / "logs", url, redis_server.url, forks=True) as started:
        started.start_web()
        yield started


@pytest.fixture(autouse=True)
def nothing_is_harmed_or_quoted(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test: the same process serves on, there was no 500, and the log holds nothing a client chose."""
    yield
    if "web" not in request.fixturenames:
        return
    web: Platform = request.getfixturevalue("web")
    assert statuses(exchange(web, HEALTH)) == [200]
    logs = web.logs()
    assert logs.count("Booting worker") == 1
    harm = (MARK, ADDRESS, signature(BODY), '"status": 500', "Traceback", "Error handling request")
    assert [text for text in harm if text in logs] == []


def exchange(web: Platform, *parts: bytes, then_end: bool = True, seconds: float = 5) -> bytes:
    """Send `parts`, end the sending side if asked to, and return all that comes back until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", web.port), timeout=seconds) as connection:
        with suppress(OSError):  # a refusal may come before all is sent
            for part in parts:
                connection.sendall(part)
            if then_end:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while received := connection.recv(65536):
                answer += received
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[0-9] (\d{3}) ", answer)]


def delivery(
    body: bytes = BODY,
    *,
    method: bytes = b"POST",
    path: bytes = PATH,
    version: bytes = b"HTTP/1.1",
    signed: bytes | None = None,
    extra: bytes = b"",
    length: bytes | None = None,
) -> bytes:
    """A genuine delivery, but for what is given."""
    signed = signature(body).encode() if signed is None else signed
    length = str(len(body)).encode() if length is None else length
    head = b"%b %b %b\r\nHost: x\r\nX-Zexa-Signature: %b\r\nContent-Length: %b\r\n" % (
        method,
        path,
        version,
        signed,
        length,
    )
    return head + extra + b"\r\n" + body


def chunked(body: bytes = BODY, *, framed: bytes | None = None, size: int = 999) -> bytes:
    """The same in chunks; `framed` stands in place of the body's own framing."""
    if framed is None:
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nX-Zexa-Signature: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head % (PATH, signature(body).encode()) + framed


def stored(redis: Redis) -> list[bytes]:
    return [raw.body for job in open_queue(redis).get_jobs() for raw in from_json(job.args[0])]


@pytest.mark.parametrize(
    "length", [b"-1", b"+5", b"", b"5, 5", b"0x10", b"\xb2", b"1_0", b"1e3", b"5\r\nContent-Length: 5"]
)
def test_a_length_that_is_no_number_is_not_http(web: Platform, redis: Redis, length: bytes) -> None:
    assert statuses(exchange(web, delivery(length=length))) == [400]
    assert stored(redis) == []


@pytest.mark.parametrize(
    "coding",
    [
        b"identity",
        b"gzip",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked, chunked",
        b"\x0bchunked",
        b"xchunked",
        b"chunked;q=1",
        b"",
    ],
)
def test_a_transfer_coding_that_says_no_length_is_not_http(web: Platform, redis: Redis, coding: bytes) -> None:
    request = chunked().replace(b"Encoding: chunked", b"Encoding: " + coding)
    assert statuses(exchange(web, request)) == [400]
    assert stored(redis) == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        delivery(extra=b"Transfer-Encoding: chunked\r\n"),
        chunked().replace(b"HTTP/1.1", b"HTTP/1.0"),
        chunked().replace(b"Encoding:", b"Encoding :"),
        delivery().replace(b"\r\n", b"\n"),
        delivery(version=b"HTTP/2.0"),
        delivery(version=b"HTTP/0.9"),
        delivery(version=b""),
        delivery(method=b"post"),
        delivery(method=b"P\xd6ST"),
        delivery(method=b"P" * 21),
        delivery(path=b"/webhooks/\0" + MARK.encode()),
        delivery(path=b"/" + MARK.encode() + b"\xff"),
        delivery(path=b"http://[::1/" + MARK.encode()),
        delivery(extra=f"Host: {MARK}\r\n".encode()),
        delivery(extra=f"Bad {MARK}: x\r\n".encode()),
        delivery(extra=f"X: \x1b{MARK}\r\n".encode()),
        delivery(extra=f"X: y\r\n {MARK}\r\n".encode()),
        f"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 {MARK}\r\n".encode() + delivery(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\xc8\x01\x00" + MARK.encode() * 20 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_400_and_stores_nothing(web: Platform, redis: Redis, request_bytes: bytes) -> None:
    assert statuses(exchange(web, request_bytes)) == [400]
    assert stored(redis) == []


@pytest.mark.parametrize(
    "framed",
    [
        b"zz\r\n" + BODY,
        b"-1\r\nx",
        b"0x5\r\nabcde\r\n0\r\n\r\n",
        b"5\r\nabcdeXX0\r\n\r\n",
        b"%x\r\n%b" % (len(BODY), BODY),
        b"%x\r\n%b\r\n" % (len(BODY), BODY),
        b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY),
        b"%x\r\n%b\r\n0\r\nHost: x\r\n\r\n" % (len(BODY), BODY),
        b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY) + b"A: b\r\n" * 200_000,
        b"%x;\x01\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
        b"f" * 9000,
        b"f" * 7000 + b"\r\nx",
    ],
)
def test_a_body_whose_chunks_are_broken_proves_nothing(web: Platform, redis: Redis, framed: bytes) -> None:
    assert statuses(exchange(web, chunked(framed=framed) + b"GET /healthz HTTP/1.1\r\n\r\n")) == [403]
    assert stored(redis) == []


def test_a_body_cut_short_or_longer_than_its_length_proves_nothing(web: Platform, redis: Redis) -> None:
    assert statuses(exchange(web, delivery(length=b"5000"))) == [403]
    assert statuses(exchange(web, delivery(length=b"10")))[0] == 403
    assert stored(redis) == []


def test_trailers_and_extensions_of_chunks_say_nothing(web: Platform, redis: Redis) -> None:
    framed = b'%x;%b="%b"\r\n%b\r\n0\r\nX-Zexa-Signature: %b\r\n\r\n'
    framed %= (len(BODY), MARK.encode(), MARK.encode(), BODY, b"0" * 64)
    assert statuses(exchange(web, chunked(framed=framed))) == [200]
    unsigned = chunked(framed=framed).replace(signature(BODY).encode(), b"1" * 64, 1)
    assert statuses(exchange(web, unsigned)) == [403]
    assert stored(redis) == [BODY]


def test_any_bytes_that_are_signed_arrive_as_they_were(web: Platform, redis: Redis) -> None:
    bodies = [
        b"",
        b"\0",
        bytes(range(256)),
        b"\xff\xfe",
        b'"\\ud800"',
        b"\r\n" * 9,
        b"\xe2\x80\xa8",
        b"\0" * BODY_BYTES_MAX,
    ]
    for body in bodies:
        assert statuses(exchange(web, delivery(body))) == [200]
        assert statuses(exchange(web, chunked(body))) == [200]
    assert Counter(stored(redis)) == Counter(bodies * 2)


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, BODY_BYTES_MAX * 2, 20_000_000])
def test_a_body_over_the_limit_is_413_in_either_framing_and_ends_its_connection(
    web: Platform, redis: Redis, size: int
) -> None:
    body = b"x" * size
    for request in (delivery(body), chunked(body, size=65536), delivery(body, extra=b"Expect: 100-continue\r\n")):
        answer = exchange(web, request + HEALTH, then_end=False)
        assert [status for status in statuses(answer) if status != 100] == [413]
    assert stored(redis) == []


def test_requests_sent_at_once_are_answered_one_by_one(web: Platform, redis: Redis) -> None:
    wrong = delivery(b"{}", signed=MARK.encode())
    requests = delivery() + delivery(method=b"GET", body=b"") + wrong + delivery() * 2 + b"GARBAGE\r\n\r\n"
    assert statuses(exchange(web, requests)) == [200, 405, 403, 200, 200, 400]
    assert stored(redis) == [BODY] * 3


@pytest.mark.parametrize(
    "signed",
    [
        b"",
        b" ",
        b"\xff" * 64,
        "\u0663".encode() * 64,
        "\uff11".encode() * 64,
        b"0" * 64,
        b"0" * 63,
        signature(BODY).upper().encode(),
        b"sha256=" + signature(BODY).encode(),
        b'"%b"' % signature(BODY).encode(),
        b"%b," % signature(BODY).encode(),
        signature(BODY).encode() + b"\r\nX-Zexa-Signature: " + signature(BODY).encode(),
    ],
)
def test_a_signature_of_any_other_bytes_is_403(web: Platform, redis: Redis, signed: bytes) -> None:
    assert statuses(exchange(web, delivery(signed=signed))) == [403]
    assert stored(redis) == []


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (f"X-Request-Id: {MARK} {ADDRESS}\r\n", [200]),
        (f"X-Request-Id: {MARK}\r\nX-Request-Id: b\r\n", [200]),
        (f"X-Request-Id: {MARK * 20}\r\n", [200]),
        (f"SCRIPT_NAME: /{MARK}\r\n", [200]),
        (f"Script-Name: /{MARK}\r\n", [200]),
        (f"X-Forwarded-For: {MARK}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n", [200]),
        (f"X_Zexa_Signature: {MARK}\r\n", [200]),
        (f"X-HTTP-Method-Override: DELETE\r\nCookie: {MARK}\r\nContent-Type: {MARK}\r\n", [200]),
        (f"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: {MARK}\r\n", [200]),
        ("Connection: X-Zexa-Signature\r\n", [200]),
        ("Expect: 100-continue\r\n", [100, 200]),
        (f"Expect: {MARK}\r\n", [417]),
        (f"X: {MARK * 1000}\r\n", [431]),
        (f"X: {MARK}\r\n" * 120, [431]),
    ],
)
def test_no_header_but_the_signature_decides_and_none_is_quoted(web: Platform, extra: str, expected: list[int]) -> None:
    assert statuses(exchange(web, delivery(extra=extra.encode()))) == expected


@pytest.mark.parametrize("host", [b"", b'a b"', MARK.encode() + b"/@:99999", b"[::1", b"\xff", b"a:b:c"])
def test_no_host_changes_an_answer(web: Platform, host: bytes) -> None:
    for path, expected in ((PATH, 405), (b"/healthz", 200), (b"/readyz", 200), (b"/nothing", 404)):
        request = b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, host)
        assert statuses(exchange(web, request)) == [expected]


@pytest.mark.parametrize(
    "path",
    [
        b"/webhooks/zexa//",
        b"//webhooks/zexa",
        b"/webhooks//zexa",
        b"/webhooks/zexa%00",
        b"/webhooks/zexa;x",
        b"/./webhooks/zexa",
        b"/nothing%0d%0aX:%20y",
        b'/nothing"%1b[31m',
        b"/v1/" + ADDRESS.encode(),
        b"/%2B244%20912%20345%20678",
        b"/" + MARK.encode() + b"@example.com",
        b"/healthz/",
        b"/%ff%fe",
        b"/%",
        b"/" + MARK.encode() * 400,
        b"//evil.example/%2f..",
        b"/static/x",
    ],
)
def test_any_other_path_is_404_whatever_the_method(web: Platform, path: bytes) -> None:
    for method in (b"GET", b"POST", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"M-SEARCH"):
        answer = exchange(web, delivery(b"", method=method, path=path))
        assert statuses(answer) == [404]
        content = answer.partition(b"\r\n\r\n")[2]
        assert content.startswith(b"There is nothing at ")
        assert b"POST /webhooks/zexa" in content
        assert content.removesuffix(b"\n").decode("ascii").isprintable()
        assert len(content) < 250


def test_a_slash_at_the_end_of_the_path_changes_nothing(web: Platform, redis: Redis) -> None:
    slashed = PATH + b"/"
    assert statuses(exchange(web, delivery(path=slashed))) == [200]
    assert statuses(exchange(web, delivery(path=slashed, signed=b"0" * 64))) == [403]
    assert statuses(exchange(web, delivery(b"x" * (BODY_BYTES_MAX + 1), path=slashed), then_end=False)) == [413]
    assert statuses(exchange(web, delivery(b"", path=slashed, method=b"GET"))) == [405]
    assert statuses(exchange(web, delivery(path=slashed) * 2)) == [200, 200]
    assert stored(redis) == [BODY] * 3


@pytest.mark.parametrize("path", [b"/", b"http://"])
def test_the_root_says_what_this_is(web: Platform, path: bytes) -> None:
    answer = exchange(web, b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    assert statuses(answer) == [200]
    assert b"Content-Type: text/html" in answer
    assert b"zexa-sync is running" in answer
    assert b"POST /webhooks/zexa" in answer


def test_a_path_longer_than_any_is_414(web: Platform) -> None:
    assert statuses(exchange(web, delivery(path=b"/" + MARK.encode() * 1000))) == [414]


@pytest.mark.parametrize("path", [PATH, b"/", b"/healthz", b"/readyz"])
def test_any_other_method_is_405_and_says_which_is_allowed(web: Platform, path: bytes) -> None:
    for method in (b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND"):
        answer = exchange(web, delivery(b"", method=method, path=path))
        assert statuses(answer) == [405]
        assert b"\r\nAllow: " in answer


def test_a_body_that_never_ends_is_given_up_while_others_are_served(web: Platform, redis: Redis) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=15) as slow:
        slow.sendall(delivery()[:-1])
        begun = time.monotonic()
        assert statuses(exchange(web, delivery())) == [200]
        assert time.monotonic() - begun < 1
        assert statuses(slow.recv(65536)) == [403]
        assert time.monotonic() - begun < 12
    assert stored(redis) == [BODY]


def deliver_many(web: Platform, count: int) -> list[tuple[int, str | None]]:
    """Deliver `count` events at once; return the status and Retry-After of each, all of which came in time."""

    def deliver(number: int) -> tuple[int, str | None]:
        body = f'{{"number": {number}}}'.encode()
        begun = time.monotonic()
        status, headers, _ = web.request("POST", PATH.decode(), body, X_Zexa_Signature=signature(body))
        assert time.monotonic() - begun < 5
        return status, headers.get("Retry-After")

    with ThreadPoolExecutor(count) as clients:
        return list(clients.map(deliver, range(count)))


def test_while_neither_store_answers_everyone_is_told_to_come_again_in_time(tmp_path: Path) -> None:
    nowhere = make_url("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with (
        private_redis(tmp_path / "redis", is_durable=False) as redis,
        platform(tmp_path / "logs", nowhere, redis.url, forks=True) as web,
    ):
        web.start_web()
        assert set(deliver_many(web, 100)) == {(200, None)}
        os.kill(redis.process.pid, signal.SIGSTOP)
        assert set(deliver_many(web, 100)) == {(503, "30")}
        os.kill(redis.process.pid, signal.SIGCONT)
        wait_for(lambda: web.deliver(b"{}") == 200, seconds=5, what="the first 200")
        assert set(deliver_many(web, 100)) == {(200, None)}
        redis.process.kill()
        redis.process.wait()
        assert set(deliver_many(web, 100)) == {(503, "30")}
        with private_redis(tmp_path / "again", port=redis.port, is_durable=False):
            wait_for(lambda: web.deliver(b"{}") == 200, seconds=5, what="the first 200")
            assert set(deliver_many(web, 100)) == {(200, None)}
        assert '"status": 500' not in web.logs()
        assert "Traceback" not in web.logs()


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", delivery(b"", method=b"GET", path=b"/healthz") * 400),
        (b"", delivery(signed=b"") * 400),
        (chunked(framed=b"").replace(PATH, b"/nope"), b"1\r\nx\r\n" * 20_000),
        (b"", chunked(b"x" * 1_300_000, size=1)),
    ],
    ids=["requests", "refusals", "chunks nobody reads", "smallest chunks"],
)
def test_a_client_that_never_pauses_keeps_nobody_waiting(web: Platform, head: bytes, piece: bytes) -> None:
    is_over = Event()

    def flood() -> None:
        while not is_over.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", web.port), timeout=5) as connection:
                connection.sendall(head)
                reader = Thread(target=discard, args=(connection,), daemon=True)
                reader.start()
                while not is_over.is_set():
                    connection.sendall(piece)

    flooding = Thread(target=flood)
    flooding.start()
    try:
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            begun = time.monotonic()
            assert statuses(exchange(web, HEALTH)) == [200]
            assert time.monotonic() - begun < 1
    finally:
        is_over.set()
        flooding.join()


def discard(connection: socket.socket) -> None:
    with suppress(OSError):
        while connection.recv(1024 * 1024):
            pass


@pytest.mark.parametrize(
    "request_bytes",
    [
        delivery(b"x", length=b"300000"),
        delivery(b"x", length=b"9" * 4000),
        delivery(b"x", length=b"9" * 5000),
        chunked(framed=b"493e0\r\n" + b"x" * 300_000 + b"\r\nzz\r\n"),
        chunked(framed=b"493e0\r\n" + b"x" * 280_000),
    ],
    ids=["announced only", "beyond all numbers", "far beyond", "then broken", "then nothing"],
)
def test_a_body_over_the_limit_is_413_however_it_ends(web: Platform, request_bytes: bytes) -> None:
    assert statuses(exchange(web, request_bytes, then_end=False)) == [413]
