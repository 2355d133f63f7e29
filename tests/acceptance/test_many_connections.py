"""Beside thousands of connections that rest, dawdle or say nothing, deliveries are answered as if they were alone."""

import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from redis import Redis
from sqlalchemy import make_url

from sync.devtools.dev.embedded import RedisServer
from tests.conftest import migrate
from tests.support.processes import Platform, platform, signature

PATH = "/webhooks/zexa"
BODY = b"{}"
SIGNED = (
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Zexa-Signature: {signature(BODY)}\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY
IDLE = 5000
DAWDLING = 500
SILENT = 1000
SPARE = 500
PAUSE_SECONDS = 0.01  # from one pair of deliveries to the next
LATE = 1.0  # a delivery alone takes some milliseconds
MEGABYTES_MAX = 160


@pytest.fixture(scope="module")
def web(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("many")
    url = make_url(f"sqlite:///{folder}/zexa.db")
    migrate(url)
    with platform(folder / "logs", url, redis_server.url) as started:
        started.start_web()
        yield started
        assert started.logs().count("Booting worker") == 1


@pytest.fixture(scope="module")
def may_open() -> Iterator[int]:
    """How many connections this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = IDLE + SPARE if hard == resource.RLIM_INFINITY else min(hard, IDLE + SPARE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield max(soft, most) - SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_connections(stack: ExitStack, web: Platform, count: int) -> list[socket.socket]:
    return [stack.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=10)) for _ in range(count)]


def deliver_for(web: Platform, seconds: float) -> int:
    """Deliver on new connections and on one that stays, each answered before it is LATE; return how many."""
    count = 0
    until = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as lasting:
        while time.monotonic() < until:
            begun = time.monotonic()
            assert web.deliver(BODY) == 200
            lasting.sendall(SIGNED)
            assert lasting.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert time.monotonic() - begun < 2 * LATE
            count += 2
            time.sleep(PAUSE_SECONDS)
    return count


def test_beside_thousands_of_idle_connections_which_stay(web: Platform, redis: Redis, may_open: int) -> None:
    with ExitStack() as stack:
        idle = open_connections(stack, web, min(IDLE, may_open))
        for connection in idle:
            connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for connection in idle:
            assert connection.recv(65536).startswith(b"HTTP/1.1 405 ")
        # Longer than a first head may take.
        assert deliver_for(web, 6) == sum(1 for job in redis.lrange("rq:queue:zexa", 0, -1) if job)
        for connection in idle[::100]:
            connection.sendall(SIGNED)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert megabytes(web) < MEGABYTES_MAX


@pytest.mark.usefixtures("redis")
def test_beside_connections_that_say_nothing_which_are_closed(web: Platform, may_open: int) -> None:
    with ExitStack() as stack:
        silent = open_connections(stack, web, min(SILENT, may_open))
        deliver_for(web, 1)
        for connection in silent:
            assert connection.recv(1) == b""


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"POST /webhooks/zexa HTTP/1.1\r\nX: ", b"y"),
        (b"POST /webhooks/zexa HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"y"),
        (b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"),
    ],
    ids=["heads", "bodies", "bodies nobody reads"],
)
def test_beside_connections_that_send_a_byte_now_and_then(
    web: Platform, may_open: int, head: bytes, piece: bytes
) -> None:
    is_over = Event()
    with ExitStack() as stack:
        slow = open_connections(stack, web, min(DAWDLING, may_open))

        def dawdle() -> None:
            for connection in slow:
                with suppress(OSError):
                    connection.sendall(head)
            while not is_over.wait(0.3):
                for connection in slow:
                    with suppress(OSError):
                        connection.send(piece)

        dawdling = Thread(target=dawdle)
        dawdling.start()
        try:
            deliver_for(web, 3)
        finally:
            is_over.set()
            dawdling.join()


def megabytes(web: Platform) -> float:
    """What the serving process has in memory, 0 if the kernel does not tell."""
    children = Path(f"/proc/{web.processes[0].pid}/task/{web.processes[0].pid}/children")
    if not children.exists():
        return 0.0
    (child,) = children.read_text().split()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{child}/status").read_text())
    return int(kilobytes) * 1024 / 1e6
