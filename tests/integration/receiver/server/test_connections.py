"""The bounds of connections: what uvicorn does not have by itself, on a real socket with an application of a line."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.server import ServerState

from receiver.server import connection as module
from receiver.server.asgi import Receive, Scope, Send
from receiver.server.connection import Connection
from receiver.server.head import FIELDS_MAX, HEAD_BYTES_MAX
from receiver.server.rooms import HEAD_SECONDS, IDLE_SECONDS, LINGER_SECONDS, WRITE_SECONDS, Rooms
from receiver.webhook.body import BODY_SECONDS

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SOON = 0.3  # in place of the real times
LATE = 5.0  # a bound on what takes no time


async def answer_at_once(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Server:
    def __init__(self, rooms: Rooms, state: ServerState, port: int) -> None:
        self.rooms = rooms
        self.state = state
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, *parts: bytes, then_end: bool = False) -> bytes:
        """Send `parts`, and return all that comes back until the server closes."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
        if then_end:
            writer.write_eof()
        try:
            async with asyncio.timeout(LATE):
                return await reader.read()
        finally:
            writer.close()

    async def wait_for_connections(self, count: int) -> None:
        async with asyncio.timeout(LATE):
            while len(self.state.connections) != count or len(self.rooms) != count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(app: Any = answer_at_once, *, connections_max: int = 100, **seconds: float) -> AsyncIterator[Server]:
    """Serve `app`; `seconds` are those of rooms, by name."""
    rooms, state = Rooms(connections_max), ServerState()
    for name, bound in seconds.items():
        getattr(rooms, name).seconds = bound
    config: Any = SimpleNamespace(loaded_app=app)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(rooms, config, state, {}), "127.0.0.1", 0
    )
    try:
        yield Server(rooms, state, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for connection in list(state.connections):
            connection.abort()  # type: ignore[union-attr]
        await asyncio.sleep(0.01)
        assert len(rooms) == 0


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within_a_minute() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_a_minute())


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes without a word, before it is LATE."""
    async with asyncio.timeout(LATE):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


def test_the_times_are_those_that_are_promised() -> None:
    assert IDLE_SECONDS > 90
    assert HEAD_SECONDS <= 5
    assert LINGER_SECONDS <= WRITE_SECONDS <= BODY_SECONDS <= 10


def test_a_connection_that_says_nothing_is_closed_soon_though_an_idle_one_stays() -> None:
    async def test() -> None:
        async with serving(opening=SOON) as server:
            idle, idle_writer = await server.connect()
            idle_writer.write(GET)
            await idle.readuntil(b"ok")
            silent, silent_writer = await server.connect()
            assert await is_closed(silent)
            silent_writer.close()
            idle_writer.write(GET)
            await idle.readuntil(b"ok")
            idle_writer.close()

    run(test)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_head_that_comes_byte_by_byte_is_given_up(is_first: bool) -> None:
    async def test() -> None:
        async with serving(opening=SOON, heading=SOON) as server:
            reader, writer = await server.connect()
            if not is_first:
                writer.write(GET)
                await reader.readuntil(b"ok")
            closed = asyncio.create_task(is_closed(reader))
            sent = 0
            with suppress(ConnectionError):
                while not closed.done():
                    writer.write(b"X" if sent else b"GET / HTTP/1.1\r\nX")
                    sent += 1
                    await asyncio.sleep(0.02)
            assert await closed
            assert sent < LATE / 0.02
            writer.close()

    run(test)


@pytest.mark.parametrize(
    ("head", "piece", "status"),
    [
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: ", b"y" * 1000, b"431"),
        (b"GET / HTTP/1.1\r\nX", b"y" * 1000, b"431"),
        (b"GET /", b"y" * 1000, b"414"),
    ],
    ids=["fields", "a value", "a name", "a path"],
)
def test_a_head_without_an_end_is_refused_with_little_of_it_kept(head: bytes, piece: bytes, status: bytes) -> None:
    async def test() -> None:
        async with serving() as server:
            count = 1 + max(FIELDS_MAX, HEAD_BYTES_MAX // len(piece))
            answer = await server.exchange(head, piece * count)
            assert answer.split()[1] == status

    run(test)


def test_when_there_are_too_many_the_one_that_rested_longest_makes_room() -> None:
    async def test() -> None:
        async with serving(connections_max=3) as server:
            idle = []
            for _ in range(3):
                reader, writer = await server.connect()
                writer.write(GET)
                await reader.readuntil(b"ok")
                idle.append((reader, writer))
            idle[0][1].write(GET)  # now the second has rested longest
            await idle[0][0].readuntil(b"ok")
            reader, writer = await server.connect()
            writer.write(GET)
            await reader.readuntil(b"ok")
            assert await is_closed(idle[1][0])
            for other, other_writer in (idle[0], idle[2], (reader, writer)):
                other_writer.write(GET)
                await other.readuntil(b"ok")
            await server.wait_for_connections(3)
            for _, open_writer in (*idle, (reader, writer)):
                open_writer.close()

    run(test)


def test_what_is_being_answered_never_makes_room() -> None:
    is_over = asyncio.Event()

    async def answer_late(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await is_over.wait()
        await answer_at_once(scope, receive, send)

    async def test() -> None:
        async with serving(answer_late, connections_max=2) as server:
            pending = []
            for _ in range(2):
                reader, writer = await server.connect()
                writer.write(GET)
                pending.append((reader, writer))
            async with asyncio.timeout(LATE):
                while len(server.rooms.busy) < 2:
                    await asyncio.sleep(0.01)
            refused, refused_writer = await server.connect()
            assert await is_closed(refused)
            refused_writer.close()
            is_over.set()
            for reader, writer in pending:
                await reader.readuntil(b"ok")
                writer.close()

    run(test)


def test_who_asks_on_and_on_and_reads_nothing_is_given_up_with_few_answers_kept() -> None:
    answered = 0

    async def count(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal answered
        answered += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"10000")]})
        await send({"type": "http.response.body", "body": b"x" * 10_000})

    async def test() -> None:
        async with serving(count, writing=SOON) as server:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", server.port))
                with suppress(ConnectionError):
                    async with asyncio.timeout(LATE):
                        while True:
                            await asyncio.get_running_loop().sock_sendall(client, GET * 100)
            await server.wait_for_connections(0)
            assert answered * 10_000 < 20_000_000  # what buffers of the system hold, and no more

    run(test)


def test_a_client_that_ends_its_side_is_answered_and_then_closed() -> None:
    async def test() -> None:
        async with serving() as server:
            assert (await server.exchange(GET * 3, then_end=True)).count(b"ok") == 3
            assert await server.exchange(b"", then_end=True) == b""
            assert await server.exchange(b"GET / HT", then_end=True) == b""
            await server.wait_for_connections(0)

    run(test)


def test_requests_sent_at_once_are_answered_in_their_order_however_many() -> None:
    async def echo(scope: Scope, _receive: Receive, send: Send) -> None:
        body = scope["raw_path"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def test() -> None:
        async with serving(echo) as server:
            requests = b"".join(b"GET /%05d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5000))
            answer = await server.exchange(requests, then_end=True)
            paths = [int(part[:5]) for part in answer.split(b"\r\n\r\n/")[1:]]
            assert paths == list(range(5000))

    run(test)


def test_a_body_that_nobody_asks_for_is_not_kept_and_ends_its_connection() -> None:
    async def test() -> None:
        async with serving() as server:
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
            reader, writer = await server.connect()
            writer.write(request + b"x" * 1000)
            assert (await reader.readuntil(b"ok")).count(b"Connection: close") == 1
            assert await is_closed(reader)
            writer.close()
            await server.wait_for_connections(0)

    run(test)


def test_a_mistake_of_ours_asks_the_client_to_come_again(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("+244912345678")

    async def test() -> None:
        async with serving(fail) as server:
            answer = await server.exchange(GET)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: " in answer
            assert b"244912345678" not in answer

    run(test)
    assert "244912345678" not in caplog.text


def test_while_it_stops_what_was_asked_is_answered_and_idle_connections_are_closed() -> None:
    is_over = asyncio.Event()

    async def answer_late(scope: Scope, receive: Receive, send: Send) -> None:
        await is_over.wait()
        await answer_at_once(scope, receive, send)

    async def test() -> None:
        async with serving(answer_late) as server:
            idle, idle_writer = await server.connect()
            reader, writer = await server.connect()
            writer.write(GET)
            async with asyncio.timeout(LATE):
                while len(server.rooms.busy) < 1:
                    await asyncio.sleep(0.01)
            for connection in list(server.state.connections):
                connection.shutdown()
            assert await is_closed(idle)
            is_over.set()
            assert b"Connection: close" in await reader.readuntil(b"ok")
            assert await is_closed(reader)
            idle_writer.close()
            writer.close()

    run(test)


def test_no_step_is_longer_than_others_can_wait_for() -> None:
    assert module.STEP_BYTES <= 16 * 1024


@pytest.mark.parametrize("piece", [b"x" * 200_000, b"1\r\nx\r\n" * 30_000], ids=["plain", "chunks"])
def test_while_an_application_does_not_read_its_client_is_read_no_further(piece: bytes) -> None:
    is_over = asyncio.Event()

    async def answer_late(scope: Scope, receive: Receive, send: Send) -> None:
        await is_over.wait()
        await answer_at_once(scope, receive, send)

    async def test() -> None:
        async with serving(answer_late) as server:
            reader, writer = await server.connect()
            framing = b"Transfer-Encoding: chunked" if piece.startswith(b"1") else b"Content-Length: 50000000"
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n")
            for _ in range(250):
                writer.write(piece)
            await asyncio.sleep(SOON)
            (connection,) = server.state.connections
            assert len(connection.unfed) <= 512 * 1024  # type: ignore[union-attr]
            is_over.set()
            async with asyncio.timeout(LATE):
                assert b"ok" in await reader.readuntil(b"ok")
            writer.transport.abort()

    run(test)
